#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::model_root {

// What a model file must begin with.
enum class Format { kJson, kSafetensors, kTorchZip, kOnnx };

struct Expected {
  Format format;
  std::string_view what;    // "the VAE's weights"
  std::string_view source;  // where people get it
};

inline constexpr std::string_view kSvdSource =
    "https://huggingface.co/stabilityai/stable-video-diffusion-img2vid-xt-1-1";
inline constexpr std::string_view kMimicMotionSource = "https://huggingface.co/tencent/MimicMotion";
inline constexpr std::string_view kDwposeSource = "https://huggingface.co/yzd-v/DWPose";

// kNotFound or kBadInput in one line: the path, what is expected there, where people get it. Tells
// files that are not what their name says (web pages, Git LFS pointers) by their first bytes, and
// downloads that were cut by what names the places of all parts: header, directory, frames. The
// parts themselves are not read.
[[nodiscard]] Status check_file(const std::filesystem::path& path, const Expected& expected);

}  // namespace mimicfleet::model_root
