#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/media/image.h"
#include "common/status.h"
#include "worker/formats/latents_bytes.h"

// Between tensors on the CPU and the bytes that are kept, sent and shown.
namespace mimicfleet::formats {

// Named tensors (uint8 or float32) as a safetensors document, and back. kBadInput unless every one
// of `names` is there.
[[nodiscard]] std::string tensors_to_bytes(const std::map<std::string, at::Tensor>& tensors);
[[nodiscard]] Result<std::map<std::string, at::Tensor>> tensors_from_bytes(
    std::string bytes, const std::vector<std::string>& names);

// Latents [1, F, 4, h, w], float32 or float16.
[[nodiscard]] std::string latents_to_bytes(
    const at::Tensor& latents, const std::map<std::string, std::string, std::less<>>& metadata);
[[nodiscard]] at::Tensor to_tensor(const Latents& latents);

// uint8 [n, h, w, 3] of images of one size.
[[nodiscard]] at::Tensor to_tensor(const std::vector<media::Image>& images);
// The image in uint8 [3, h, w].
[[nodiscard]] media::Image to_image(const at::Tensor& image);

}  // namespace mimicfleet::formats
