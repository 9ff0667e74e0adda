#pragma once

#include <ATen/core/Tensor.h>

// y = x W^T + b, and what follows it in the same pass. LibTorch computes a linear layer of float32
// on a CPU by MKL's general product; its oneDNN operators (which torch.compile uses) choose kernels
// for the shapes and fuse. x: [..., in], weight: [out, in], bias: [out] or undefined -> [..., out].
namespace mimicfleet::nn {

[[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias);

// Whether the two below compute in one pass. Elsewhere their callers know better ways.
[[nodiscard]] bool fuses_linear(const at::Tensor& x);

[[nodiscard]] at::Tensor linear_then_gelu(const at::Tensor& x, const at::Tensor& weight,
                                          const at::Tensor& bias);
// factor: [..., out]
[[nodiscard]] at::Tensor linear_times(const at::Tensor& x, const at::Tensor& weight,
                                      const at::Tensor& bias, const at::Tensor& factor);

}  // namespace mimicfleet::nn
