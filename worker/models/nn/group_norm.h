#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace mimicfleet::nn {

// at::group_norm() for float32 images [N, C, H, W] in channels-last memory on the CPU, with mean
// and variance as exact as for contiguous memory. LibTorch's own kernel for this memory adds up all
// values and their squares in float32 one after the other and subtracts: of a group of a million
// values, or of a few that are near each other, it gets three digits right. The sums here are of
// differences from one of the values, in float32 over short runs and in float64 over those. The
// result does not depend on the number of threads.
[[nodiscard]] at::Tensor group_norm_channels_last(const at::Tensor& x, std::int64_t groups,
                                                  const at::Tensor& weight, const at::Tensor& bias,
                                                  double eps);

}  // namespace mimicfleet::nn
