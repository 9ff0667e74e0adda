#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {

// How a sliding window (convolution, pooling) moves over the spatial axes; one entry an axis.
struct Windows {
  Ints kernel;
  Ints stride;
  Ints dilation;
  Ints before;  // padding
  Ints after;
  Ints output;  // number of windows

  [[nodiscard]] std::size_t axes() const { return kernel.size(); }
  [[nodiscard]] bool symmetric() const { return before == after; }
};

// From the node's attributes (strides, dilations, pads, auto_pad, ceil_mode) for an input [N, C,
// spatial...].
[[nodiscard]] Result<Windows> windows_of(const OpCall& call, const Ints& kernel);

// Padding as constant_pad_nd() takes it: last axis first.
[[nodiscard]] Ints torch_padding(const Windows& windows);

}  // namespace mimicfleet::onnx
