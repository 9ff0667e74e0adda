#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>

// Kernels of our own for half precision on a GPU, where LibTorch's read and write the memory
// several times or do not know what follows. They are compiled at the first use, by the compiler
// that LibTorch brings; what they sum, they sum in a fixed order. All functions give nothing (or
// false) for tensors that they do not serve, or if the kernels cannot be compiled, which is logged
// once. docs/gpu.md says which shapes and GPUs take which. MIMICFLEET_GPU_KERNELS=off leaves all to
// LibTorch, =portable keeps those that any GPU runs.
namespace mimicfleet::nn {

// Whether they are there for the calling thread's GPU: results differ in their last bits without.
[[nodiscard]] bool has_gpu_kernels(at::ScalarType type);
// Whether they are there for the type and device of `x`.
[[nodiscard]] bool has_gpu_kernels(const at::Tensor& x);
// Which set of kernels computes on the calling thread's GPU, for the numerics class: "" for all
// that there are for it, "-portable" or "-alone" if some or all are left out.
[[nodiscard]] std::string_view gpu_kernel_set(at::ScalarType type);

[[nodiscard]] bool is_half(at::ScalarType type);

// Sums and sums of squares of an image's groups over runs of its positions, as group norm needs
// them: [N, runs, groups, 2] float32.
struct GroupSums {
  at::Tensor partial;
};

// Group norm of x + addend, and SiLU after it if asked for: images [N, C, H, W] in channels-last
// memory, and [N or 1, C] or undefined. LibTorch's works on channel-by-channel memory alone: it
// copies into that, and the next convolution copies back. `sums`, of x without an addend, save a
// pass over x if they are defined; with N = 1 they may be those of its H images.
[[nodiscard]] std::optional<at::Tensor> gpu_group_norm(
    const at::Tensor& x, const at::Tensor& addend, std::int64_t groups, const at::Tensor& weight,
    const at::Tensor& bias, double eps, bool then_silu, const GroupSums& sums = {});

// out = a + share * (b + addend), all images [N, C, H, W] in channels-last memory, the addend [N or
// 1, C] or undefined, and the sums of what is written. `a` and `b` may be `out`.
[[nodiscard]] std::optional<GroupSums> gpu_add_and_sum(const at::Tensor& out, const at::Tensor& a,
                                                       const at::Tensor& b,
                                                       const at::Tensor& addend, double share,
                                                       std::int64_t groups);

// [..., 2C] -> [..., C]: the first half times gelu of the second.
[[nodiscard]] std::optional<at::Tensor> gpu_geglu(const at::Tensor& x);

// The same of x W^T + b in one pass: x [..., K], weight [2C, K], bias [2C] -> [..., C]. On Hopper
// GPUs.
[[nodiscard]] std::optional<at::Tensor> gpu_geglu_linear(const at::Tensor& x,
                                                         const at::Tensor& weight,
                                                         const at::Tensor& bias);

// out = a + share * (b + addend), all [B, T, S, C], the addend [B or 1, T or 1, C]. Of the three
// each may be undefined; without `a` the share is 1. `a` and `b` may be `out`.
[[nodiscard]] bool gpu_add(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b,
                           const at::Tensor& addend, double share = 1);

// Layer norm of x + addend: tokens [B, T, S, C] of at most 1280 channels, and [B or 1, T or 1, C]
// or undefined; x may have any shape where the addend is undefined.
[[nodiscard]] std::optional<at::Tensor> gpu_layer_norm(const at::Tensor& x,
                                                       const at::Tensor& addend,
                                                       const at::Tensor& weight,
                                                       const at::Tensor& bias, double eps);

// Attention along T of qkv [B, T, S, 3C], as one linear layer gives queries, keys and values of all
// heads -> [B, T, S, C]. For T = 16 and heads of 64 channels.
[[nodiscard]] std::optional<at::Tensor> gpu_attend_frames(const at::Tensor& qkv,
                                                          std::int64_t heads);

// The channels of a + its addend, then those of b + its: images [N, C, H, W] and [N, D, H, W] in
// channels-last memory -> [N, C + D, H, W], likewise. Addends [N or 1, C] and [N or 1, D], or
// undefined.
[[nodiscard]] std::optional<at::Tensor> gpu_concatenate(const at::Tensor& a,
                                                        const at::Tensor& a_addend,
                                                        const at::Tensor& b,
                                                        const at::Tensor& b_addend);

}  // namespace mimicfleet::nn
