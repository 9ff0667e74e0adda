#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

// Kernels of our own for half precision on a GPU, where LibTorch's read and write the memory several times.
// They are compiled at the first use, by the compiler that LibTorch brings; what they sum, they sum in a
// fixed order. Both functions give nothing for tensors that they do not serve, or if the kernels cannot be
// compiled, which is logged once. MIMICFLEET_GPU_KERNELS=off leaves all to LibTorch.
namespace mimicfleet::nn {

// Whether they are there for the calling thread's GPU: results differ in their last bits without.
[[nodiscard]] bool has_gpu_kernels(at::ScalarType type);

// Group norm of images [N, C, H, W] in channels-last memory, and SiLU after it if asked for. LibTorch's works
// on channel-by-channel memory alone: it copies into that, and the next convolution copies back.
[[nodiscard]] std::optional<at::Tensor> gpu_group_norm(const at::Tensor& x, std::int64_t groups,
                                                       const at::Tensor& weight, const at::Tensor& bias,
                                                       double eps, bool then_silu);

// [..., 2C] -> [..., C]: the first half times gelu of the second.
[[nodiscard]] std::optional<at::Tensor> gpu_geglu(const at::Tensor& x);

}  // namespace mimicfleet::nn
