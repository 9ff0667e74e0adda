#include "worker/onnx/windows.h"

#include <algorithm>

namespace mimicfleet::onnx {
namespace {

constexpr std::int64_t kLargest = 1 << 20;  // of kernels, strides, dilations and paddings

Status check_range(const Ints& values, std::size_t count, std::int64_t least,
                   std::string_view what) {
  const bool fits = values.size() == count &&
                    std::all_of(values.begin(), values.end(),
                                [&](std::int64_t v) { return v >= least && v <= kLargest; });
  return fits ? Status() : bad_node(std::string(what) + " that are not possible");
}

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// SAME_UPPER and SAME_LOWER: as many windows as strides fit; an odd padding goes behind or before.
void pad_to_same(Windows& w, std::size_t axis, std::int64_t length, bool lower) {
  const std::int64_t reach = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
  w.output[axis] = divided_up(length, w.stride[axis]);
  const std::int64_t padding =
      std::max<std::int64_t>(0, (w.output[axis] - 1) * w.stride[axis] + reach - length);
  const std::int64_t smaller = padding / 2;
  w.before[axis] = lower ? padding - smaller : smaller;
  w.after[axis] = lower ? smaller : padding - smaller;
}

// With ceil_mode a last window may hang over the padded end, which then grows; but it has to start
// before it.
void count_windows(Windows& w, std::size_t axis, std::int64_t length, bool ceil) {
  const std::int64_t reach = w.dilation[axis] * (w.kernel[axis] - 1) + 1;
  const std::int64_t room = length + w.before[axis] + w.after[axis] - reach;
  if (room < 0) {
    w.output[axis] = 0;
    return;
  }
  w.output[axis] = (ceil ? divided_up(room, w.stride[axis]) : room / w.stride[axis]) + 1;
  if (ceil && (w.output[axis] - 1) * w.stride[axis] >= length + w.before[axis]) --w.output[axis];
}

}  // namespace

Result<Windows> windows_of(const OpCall& call, const Ints& kernel) {
  const at::Tensor& x = call.inputs[0];
  const std::size_t axes = kernel.size();
  if (axes < 1 || axes > 3 || x.dim() != static_cast<std::int64_t>(axes) + 2) {
    return bad_node("an input with " + std::to_string(x.dim()) + " dimensions");
  }
  const auto or_ones = [axes](const Ints& values) {
    return values.empty() ? Ints(axes, 1) : values;
  };
  Windows w{kernel,
            or_ones(call.integers("strides")),
            or_ones(call.integers("dilations")),
            Ints(axes, 0),
            Ints(axes, 0),
            Ints(axes, 0)};
  RETURN_IF_ERROR(check_range(w.kernel, axes, 1, "kernel sizes"));
  RETURN_IF_ERROR(check_range(w.stride, axes, 1, "strides"));
  RETURN_IF_ERROR(check_range(w.dilation, axes, 1, "dilations"));
  const std::string auto_pad = call.text("auto_pad", "NOTSET");
  const Ints pads = call.integers("pads");
  if (auto_pad == "NOTSET" && !pads.empty()) {
    RETURN_IF_ERROR(check_range(pads, 2 * axes, 0, "pads"));
    w.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(axes));
    w.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(axes), pads.end());
  }
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const std::int64_t length = x.size(static_cast<std::int64_t>(axis) + 2);
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      pad_to_same(w, axis, length, auto_pad == "SAME_LOWER");
    } else if (auto_pad == "NOTSET" || auto_pad == "VALID") {
      count_windows(w, axis, length, call.integer("ceil_mode", 0) != 0);
    } else {
      return not_implemented("auto_pad '" + printable(auto_pad) + "'");
    }
    if (w.output[axis] <= 0) return bad_node("a window that is larger than its input");
  }
  return w;
}

Ints torch_padding(const Windows& windows) {
  Ints result;
  for (std::size_t axis = windows.axes(); axis-- > 0;) {
    result.insert(result.end(), {windows.before[axis], windows.after[axis]});
  }
  return result;
}

}  // namespace mimicfleet::onnx
