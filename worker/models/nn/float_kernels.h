#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

// Kernels of our own for images in float32 on a GPU, as gpu_kernels.h has them for half precision:
// compiled at the first use, switched off by MIMICFLEET_GPU_KERNELS=off, and nothing (or false) is
// the answer where they do not serve. Images are [N, C, H, W] in channels-last memory, C a multiple
// of 4.
namespace mimicfleet::nn {

// Whether they are there for the calling thread's GPU: results differ in their last bits without.
[[nodiscard]] bool has_float_kernels();
// Whether they are there for the type and device of `x`.
[[nodiscard]] bool has_float_kernels(const at::Tensor& x);

// Whether gpu_finish_convolution() will serve what a convolution with this many filters makes of
// `x`.
[[nodiscard]] bool can_finish_convolution(const at::Tensor& x, std::int64_t filters);

// What follows a convolution: x + bias, SiLU if asked for, then the sum with `residual`, which has
// x's shape or is undefined. One pass instead of three, in x's memory, or into `out`: some channels
// of an image.
[[nodiscard]] bool gpu_finish_convolution(const at::Tensor& x, const at::Tensor& bias,
                                          const at::Tensor& residual, bool then_silu,
                                          const at::Tensor& out);

// A convolution of each channel with its own filter, moved by 1, with zeros around that keep the
// size; then the bias (or undefined) and SiLU if asked for. weight: [C, 1, 5, 5] as
// channel_filters() lays it out. The sums are float32's, in a fixed order.
[[nodiscard]] std::optional<at::Tensor> gpu_channel_convolution(const at::Tensor& x,
                                                                const at::Tensor& weight,
                                                                const at::Tensor& bias,
                                                                bool then_silu);

// The same filters [C, 1, H, W], in memory [H][W][C].
[[nodiscard]] at::Tensor channel_filters(const at::Tensor& weight);

// at::cat(images, 1).
[[nodiscard]] std::optional<at::Tensor> gpu_join_channels(at::TensorList images);

// Every pixel becomes factor x factor pixels.
[[nodiscard]] std::optional<at::Tensor> gpu_repeat_pixels(const at::Tensor& x, std::int64_t factor);

// Of bytes [..., C] what the table [C, 256] has for each in the row of its channel.
[[nodiscard]] std::optional<at::Tensor> gpu_look_up(const at::Tensor& bytes,
                                                    const at::Tensor& table);

}  // namespace mimicfleet::nn
