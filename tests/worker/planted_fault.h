#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

namespace mimicfleet {

// An assertion in a kernel that does not hold.
inline void fail_in_a_kernel(at::Device device) {
  const auto options = at::TensorOptions().device(device);
  const at::Tensor index = at::full({1}, 1 << 30, options.dtype(at::kLong));
  static_cast<void>(at::zeros({1}, options).index_select(0, index).to(at::kCPU));
}

}  // namespace mimicfleet
