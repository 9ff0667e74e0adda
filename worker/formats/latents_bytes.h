#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/model_files/weights/tensor_set.h"
#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::formats {

using LatentsMetadata = std::map<std::string, std::string, std::less<>>;

// Latents as a safetensors document (docs/latent_format.md): one tensor `latents` [1, F, 4, h, w].
struct Latents {
  weights::TensorView tensor;  // contiguous; F16 or F32
  LatentsMetadata metadata;

  [[nodiscard]] std::int64_t frames() const { return tensor.shape[1]; }
  [[nodiscard]] std::int64_t height() const {
    return tensor.shape[3] * 8;
  }  // of the decoded frames
  [[nodiscard]] std::int64_t width() const { return tensor.shape[4] * 8; }
};

// `values`: F * 4 * h * w of them.
[[nodiscard]] std::string latents_to_bytes(weights::DType dtype, std::int64_t frames,
                                           std::int64_t h, std::int64_t w,
                                           std::span<const std::uint8_t> values,
                                           const LatentsMetadata& metadata);

// The strings beside latents that are kept for good: what the original kept, and what they were
// made of.
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
  const std::vector<std::string>& warnings;  // of what they were made of
};
[[nodiscard]] LatentsMetadata saved_metadata(const SavedDescription& saved);

// What is to be told of latents travels and is kept with them.
void put_warnings(const std::vector<std::string>& warnings, LatentsMetadata& metadata);
[[nodiscard]] std::vector<std::string> warnings_of(const LatentsMetadata& metadata);

// kBadInput, beginning with `origin`: no safetensors document, or no such tensor in it.
[[nodiscard]] Result<Latents> latents_from_bytes(std::string bytes, const std::string& origin);

}  // namespace mimicfleet::formats
