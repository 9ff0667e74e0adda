#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace mimicfleet::svd {

// The one generator of a clip, always on the CPU, so that every device starts from the same noise.
// What is drawn, in this order (pipeline_mimicmotion.py: __call__): image noise [1, 3, H, W],
// latents of one tile [1, tile, 4, h, w], then what the scheduler wants at each step.
[[nodiscard]] at::Generator make_generator(std::uint64_t seed);

// Standard normal numbers, float32 on the CPU.
[[nodiscard]] at::Tensor draw(at::IntArrayRef sizes, const at::Generator& generator);

// The first two draws of a clip of `frames` frames. Initial latents are one tile's, repeated: [1,
// frames, 4, h, w].
[[nodiscard]] at::Tensor draw_image_noise(std::int64_t height, std::int64_t width,
                                          const at::Generator& generator);
[[nodiscard]] at::Tensor draw_initial_latents(std::int64_t frames, std::int64_t tile,
                                              std::int64_t height, std::int64_t width,
                                              const at::Generator& generator);

}  // namespace mimicfleet::svd
