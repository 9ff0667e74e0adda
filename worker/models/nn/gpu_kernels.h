#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

// Kernels of our own for half precision on a GPU, where LibTorch's read and write the memory several times.
// They are compiled at the first use, by the compiler that LibTorch brings; what they sum, they sum in a
// fixed order. All functions give nothing (or false) for tensors that they do not serve, or if the kernels
// cannot be compiled, which is logged once. MIMICFLEET_GPU_KERNELS=off leaves all to LibTorch.
namespace mimicfleet::nn {

// Whether they are there for the calling thread's GPU: results differ in their last bits without.
[[nodiscard]] bool has_gpu_kernels(at::ScalarType type);
// Whether they are there for the type and device of `x`.
[[nodiscard]] bool has_gpu_kernels(const at::Tensor& x);

[[nodiscard]] bool is_half(at::ScalarType type);

// Group norm of x + addend, and SiLU after it if asked for: images [N, C, H, W] in channels-last memory, and
// [N or 1, C] or undefined. LibTorch's works on channel-by-channel memory alone: it copies into that, and the
// next convolution copies back.
[[nodiscard]] std::optional<at::Tensor> gpu_group_norm(const at::Tensor& x, const at::Tensor& addend,
                                                       std::int64_t groups, const at::Tensor& weight,
                                                       const at::Tensor& bias, double eps, bool then_silu);

// [..., 2C] -> [..., C]: the first half times gelu of the second.
[[nodiscard]] std::optional<at::Tensor> gpu_geglu(const at::Tensor& x);

// out = a + share * (b + addend), all [B, T, S, C], the addend [B or 1, T or 1, C]. Of the three each may be
// undefined; without `a` the share is 1. `a` and `b` may be `out`.
[[nodiscard]] bool gpu_add(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
                           const at::Tensor& addend, double share = 1);

// [..., C]; C is at most 1280.
[[nodiscard]] std::optional<at::Tensor> gpu_layer_norm(const at::Tensor& x, const at::Tensor& weight,
                                                       const at::Tensor& bias, double eps);

}  // namespace mimicfleet::nn
