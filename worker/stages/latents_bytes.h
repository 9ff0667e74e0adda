#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "common/status.h"
#include "common/weights/tensor_set.h"
#include "jobs/task.h"

namespace mimicfleet::stages {

// Latents as a safetensors document (docs/latent_format.md): one tensor `latents` [1, F, 4, h, w].
struct Latents {
  weights::TensorView tensor;  // contiguous; F16 or F32
  std::map<std::string, std::string, std::less<>> metadata;

  [[nodiscard]] std::int64_t frames() const { return tensor.shape[1]; }
  [[nodiscard]] std::int64_t height() const { return tensor.shape[3] * 8; }  // of the decoded frames
  [[nodiscard]] std::int64_t width() const { return tensor.shape[4] * 8; }
};

// `values`: F * 4 * h * w of them.
[[nodiscard]] std::string latents_to_bytes(weights::DType dtype, std::int64_t frames, std::int64_t h,
                                           std::int64_t w, std::span<const std::uint8_t> values,
                                           const std::map<std::string, std::string, std::less<>>& metadata);

// The strings beside latents that are kept for good: what the original kept, and what they were made of.
struct SavedDescription {
  Digest key;
  const jobs::ModelSet& models;
  const jobs::Parameters& parameters;
  const jobs::FileRef& driving;
  const jobs::FileRef& reference;
  const jobs::NumericsClass& numerics;
  double fps = 0;  // of the video; 0: not known
  std::int64_t frames = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  bool half = false;
};
[[nodiscard]] std::map<std::string, std::string, std::less<>> saved_metadata(const SavedDescription& saved);

// kBadInput, beginning with `origin`: no safetensors document, or no such tensor in it.
[[nodiscard]] Result<Latents> latents_from_bytes(std::string bytes, const std::string& origin);

}  // namespace mimicfleet::stages
