// Pooling over windows and over whole planes.
#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/avg_pool3d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool3d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/ones.h>

#include "worker/onnx/windows.h"

namespace mimicfleet::onnx {
namespace {

// One spatial axis becomes two, of which the first has one element, so that 2-D pooling serves.
Windows in_two_axes(Windows w) {
  for (Ints* ones : {&w.kernel, &w.stride, &w.dilation, &w.output}) ones->insert(ones->begin(), 1);
  for (Ints* zeros : {&w.before, &w.after}) zeros->insert(zeros->begin(), 0);
  return w;
}

// Padding behind is what the windows reach, which ceil_mode may have made longer.
Windows with_reached_padding(Windows w, at::IntArrayRef spatial) {
  for (std::size_t i = 0; i < w.axes(); ++i) {
    const std::int64_t reach =
        (w.output[i] - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1;
    w.after[i] = std::max(w.after[i], reach - spatial[i] - w.before[i]);
  }
  return w;
}

// True if LibTorch's own padding does the same: equal on both sides and at most half a window.
bool pads_natively(const Windows& w) {
  for (std::size_t i = 0; i < w.axes(); ++i) {
    if (w.before[i] * 2 > w.kernel[i]) return false;
  }
  return w.symmetric();
}

at::Tensor max_pooled(const at::Tensor& input, Windows w) {
  at::Tensor x = input;
  if (!pads_natively(w)) {
    x = at::constant_pad_nd(x, torch_padding(w), -std::numeric_limits<double>::infinity());
    w.before.assign(w.axes(), 0);
  }
  return w.axes() == 3 ? at::max_pool3d(x, w.kernel, w.stride, w.before, w.dilation)
                       : at::max_pool2d(x, w.kernel, w.stride, w.before, w.dilation);
}

// ONNX counts positions over the whole unpadded tensor, LibTorch within each padded plane.
Tensors max_pooled_with_positions(const at::Tensor& x, const Windows& w, bool column_major) {
  const at::Tensor padded =
      at::constant_pad_nd(x, torch_padding(w), -std::numeric_limits<double>::infinity());
  auto [values, positions] =
      at::max_pool2d_with_indices(padded, w.kernel, w.stride, {0, 0}, w.dilation);
  const std::int64_t height = x.size(2);
  const std::int64_t width = x.size(3);
  const at::Tensor row = positions.div(padded.size(3), "floor") - w.before[0];
  const at::Tensor column = positions.remainder(padded.size(3)) - w.before[1];
  const at::Tensor in_plane = column_major ? column * height + row : row * width + column;
  const at::Tensor plane =
      at::arange(x.size(0) * x.size(1), positions.options()).view({x.size(0), x.size(1), 1, 1});
  return {std::move(values), in_plane + plane * (height * width)};
}

Result<Tensors> max_pool(OpCall& call) {
  at::Tensor x = call.inputs[0];
  ASSIGN_OR_RETURN(Windows w, windows_of(call, call.integers("kernel_shape")));
  const bool line = w.axes() == 1;
  const at::ScalarType type = x.scalar_type();
  if (!x.is_floating_point()) x = x.to(at::kDouble);
  if (line) x = x.unsqueeze(2);
  if (line) w = in_two_axes(w);
  w = with_reached_padding(w, x.sizes().slice(2));
  Tensors results;
  if (call.node.outputs.size() > 1) {
    if (w.axes() == 3) return not_implemented("positions of three-dimensional maxima");
    results = max_pooled_with_positions(x, w, call.integer("storage_order", 0) == 1);
  } else {
    results = {max_pooled(x, w)};
  }
  if (line) {
    for (at::Tensor& result : results) result = result.squeeze(2);
  }
  results[0] = results[0].to(type);
  return results;
}

// Positions count across the items.
bool stacks_max_pool(const OpCall& call, const std::vector<bool>& stacked) {
  return stacked[0] && call.node.outputs.size() == 1;
}

at::Tensor window_sums(const at::Tensor& x, const Windows& w) {
  const Ints none(w.axes(), 0);
  return w.axes() == 3
             ? at::avg_pool3d(x, w.kernel, w.stride, none, false, true, /*divisor_override=*/1)
             : at::avg_pool2d(x, w.kernel, w.stride, none, false, true, /*divisor_override=*/1);
}

// The number of elements in each window; those that only ceil_mode added never count.
at::Tensor window_counts(const Windows& asked, const Windows& w, const at::Tensor& x,
                         bool count_padding) {
  Ints shape = {1, 1};
  Windows rest = w;
  for (std::size_t i = 0; i < w.axes(); ++i) {
    const std::int64_t length = x.size(static_cast<std::int64_t>(i) + 2);
    shape.push_back(count_padding ? asked.before[i] + length + asked.after[i] : length);
    if (!count_padding) continue;
    rest.before[i] = 0;
    rest.after[i] = w.after[i] - asked.after[i];
  }
  return window_sums(at::constant_pad_nd(at::ones(shape, x.options()), torch_padding(rest), 0), w);
}

Result<Tensors> average_pool(OpCall& call) {
  at::Tensor x = call.inputs[0];
  ASSIGN_OR_RETURN(Windows asked, windows_of(call, call.integers("kernel_shape")));
  const bool line = asked.axes() == 1;
  if (line) x = x.unsqueeze(2);
  if (line) asked = in_two_axes(asked);
  const Windows w = with_reached_padding(asked, x.sizes().slice(2));
  const at::Tensor sums = window_sums(at::constant_pad_nd(x, torch_padding(w), 0), w);
  const at::Tensor result =
      sums / window_counts(asked, w, x, call.integer("count_include_pad", 0) != 0);
  return one(line ? result.squeeze(2) : result);
}

Result<Tensors> global_average_pool(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  if (x.dim() < 3) return bad_node("an input without planes");
  Ints axes;
  for (std::int64_t axis = 2; axis < x.dim(); ++axis) axes.push_back(axis);
  return one(x.mean(axes, /*keepdim=*/true));
}

constexpr std::array kPoolOperators = {
    Operator{"MaxPool", max_pool, 1, 1,
             "auto_pad:s ceil_mode:i dilations:I kernel_shape:I pads:I storage_order:i strides:I",
             stacks_max_pool},
    Operator{"AveragePool", average_pool, 1, 1,
             "auto_pad:s ceil_mode:i count_include_pad:i kernel_shape:I pads:I strides:I",
             stacks_first_input},
    Operator{"GlobalAveragePool", global_average_pool, 1, 1, "", stacks_first_input},
};

}  // namespace

std::span<const Operator> pool_operators() { return kPoolOperators; }

}  // namespace mimicfleet::onnx
