// Operators that pick, repeat and join elements.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/as_strided.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/split_with_sizes.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include "worker/models/nn/float_kernels.h"
#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

bool axis_is_not_first(const OpCall& call, std::int64_t otherwise) {
  const auto axis = normal_axis(call.integer("axis", otherwise), call.inputs[0].dim());
  return axis.ok() && *axis != 0;
}

// The image whose channels these are, one after the other and all of them, if convolutions wrote
// into one (see Part).
std::optional<at::Tensor> already_joined(const Tensors& parts) {
  const at::Tensor& first = parts[0];
  if (first.dim() != 4 || !first.is_cuda()) return std::nullopt;
  Ints shape = first.sizes().vec();
  shape[1] = 0;
  for (const at::Tensor& part : parts) {
    const bool follows = part.is_alias_of(first) && part.strides() == first.strides() &&
                         part.storage_offset() == first.storage_offset() + shape[1] &&
                         part.size(0) == shape[0] && part.size(2) == shape[2] &&
                         part.size(3) == shape[3];
    if (!follows) return std::nullopt;
    shape[1] += part.size(1);
  }
  const bool is_whole = first.strides() == at::IntArrayRef{shape[1] * shape[2] * shape[3], 1,
                                                           shape[1] * shape[3], shape[1]};
  return is_whole
             ? std::optional(at::as_strided(first, shape, first.strides(), first.storage_offset()))
             : std::nullopt;
}

Result<Tensors> concat(OpCall& call) {
  ASSIGN_OR_RETURN(const std::int64_t axis,
                   normal_axis(call.integer("axis", 1), call.inputs[0].dim()));
  if (axis == 1) {
    if (auto whole = already_joined(call.inputs)) return one(*std::move(whole));
    if (auto joined = nn::gpu_join_channels(call.inputs)) return one(*std::move(joined));
  }
  return one(at::cat(call.inputs, axis));
}

bool stacks_concat(const OpCall& call, const std::vector<bool>& stacked) {
  return axis_is_not_first(call, 1) &&
         std::all_of(stacked.begin(), stacked.end(), [](bool s) { return s; });
}

// Sizes given (attribute up to operator set 12, input since), or a number of parts as equal as
// possible.
Result<Ints> split_sizes(const OpCall& call, std::int64_t length) {
  Ints sizes = call.has(1) ? call.read_ints(1) : call.integers("split");
  if (!sizes.empty()) return sizes;
  const auto parts = static_cast<std::int64_t>(call.node.outputs.size());
  if (!call.has_attribute("num_outputs") && length % parts != 0)
    return bad_node("parts that are not equal");
  const std::int64_t part = (length + parts - 1) / parts;
  for (std::int64_t i = 0; i < parts; ++i)
    sizes.push_back(std::clamp(length - i * part, std::int64_t{0}, part));
  return sizes;
}

Result<Tensors> split(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(const std::int64_t axis, normal_axis(call.integer("axis", 0), x.dim()));
  ASSIGN_OR_RETURN(const Ints sizes, split_sizes(call, x.size(axis)));
  return at::split_with_sizes(x, sizes, axis);
}

struct SliceAxis {
  std::int64_t axis;
  std::int64_t start;
  std::int64_t end;
  std::int64_t step;
};

// Starts, ends, axes and steps are attributes up to operator set 9, inputs since.
Result<std::vector<SliceAxis>> slice_axes(const OpCall& call) {
  const bool old = !call.has(1);
  const Ints starts = old ? call.integers("starts") : call.read_ints(1);
  const Ints ends = old ? call.integers("ends") : call.has(2) ? call.read_ints(2) : Ints{};
  Ints axes = old ? call.integers("axes") : call.has(3) ? call.read_ints(3) : Ints{};
  if (axes.empty()) {
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  }
  Ints steps = call.has(4) ? call.read_ints(4) : Ints(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() ||
      steps.size() != starts.size()) {
    return bad_node("starts, ends, axes and steps differ in number");
  }
  ASSIGN_OR_RETURN(axes, normal_axes(axes, call.inputs[0].dim()));
  std::vector<SliceAxis> result;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    if (steps[i] == 0 || steps[i] == std::numeric_limits<std::int64_t>::min()) {
      return bad_node("a step that is not possible");
    }
    result.push_back({axes[i], starts[i], ends[i], steps[i]});
  }
  return result;
}

at::Tensor sliced(const at::Tensor& x, const SliceAxis& part) {
  const std::int64_t length = x.size(part.axis);
  const auto from_front = [&](std::int64_t position) {
    return position < 0 ? position + length : position;
  };
  if (part.step > 0) {
    const std::int64_t start = std::clamp<std::int64_t>(from_front(part.start), 0, length);
    const std::int64_t end = std::clamp<std::int64_t>(from_front(part.end), start, length);
    return x.slice(part.axis, start, end, part.step);
  }
  const std::int64_t start =
      std::clamp<std::int64_t>(from_front(part.start), 0, std::max<std::int64_t>(length - 1, 0));
  const std::int64_t end = std::clamp<std::int64_t>(from_front(part.end), -1, length - 1);
  const auto options = at::TensorOptions().dtype(at::kLong).device(x.device());
  if (length == 0 || end >= start) return x.slice(part.axis, 0, 0);
  return x.index_select(part.axis, at::arange(start, end, part.step, options));
}

Result<Tensors> slice(OpCall& call) {
  ASSIGN_OR_RETURN(const auto parts, slice_axes(call));
  at::Tensor result = call.inputs[0];
  for (const SliceAxis& part : parts) result = sliced(result, part);
  return one(result);
}

bool stacks_slice(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const auto parts = slice_axes(call);
  return parts.ok() && std::all_of(parts->begin(), parts->end(), [](const SliceAxis& part) {
           const bool everything = part.start == 0 && part.step == 1 &&
                                   part.end >= std::numeric_limits<std::int32_t>::max();
           return part.axis != 0 || everything;
         });
}

Result<Tensors> gather(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(const std::int64_t axis, normal_axis(call.integer("axis", 0), x.dim()));
  const at::Tensor indices = call.inputs[1].to(at::kLong);
  const at::Tensor from_front = at::where(indices < 0, indices + x.size(axis), indices);
  Ints shape = x.sizes().vec();
  shape.erase(shape.begin() + axis);
  shape.insert(shape.begin() + axis, indices.sizes().begin(), indices.sizes().end());
  RETURN_IF_ERROR(check_shape(shape));
  return one(x.index_select(axis, from_front.flatten()).reshape(shape));
}

bool stacks_gather(const OpCall& call, const std::vector<bool>& stacked) {
  return stacked[0] && !stacked[1] && axis_is_not_first(call, 0);
}

Result<Tensors> tile(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  const Ints repeats = call.read_ints(1);
  if (repeats.size() != static_cast<std::size_t>(x.dim()))
    return bad_node("repeats that do not fit");
  RETURN_IF_ERROR(check_shape(repeats));
  Ints shape = x.sizes().vec();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] > kMostElements) return bad_node("a result that is too large");
    shape[i] *= repeats[i];
  }
  RETURN_IF_ERROR(check_shape(shape));
  return one(x.repeat(repeats));
}

bool stacks_tile(const OpCall& call, const std::vector<bool>& stacked) {
  const Ints repeats = call.read_ints(1);
  return stacked[0] && !repeats.empty() && repeats[0] == 1;
}

struct Padding {
  Ints before;  // one entry an axis; negative entries crop
  Ints after;
};

// Pads and value are attributes up to operator set 10, inputs since; axes came with 18.
Result<Padding> padding_of(const OpCall& call) {
  const std::int64_t rank = call.inputs[0].dim();
  const Ints pads = call.has(1) ? call.read_ints(1) : call.integers("pads");
  Ints axes(static_cast<std::size_t>(rank));
  for (std::int64_t i = 0; i < rank; ++i) axes[i] = i;
  if (call.has(3)) {
    ASSIGN_OR_RETURN(axes, normal_axes(call.read_ints(3), rank));
  }
  if (pads.size() != 2 * axes.size()) return bad_node("pads that do not fit");
  Padding result{Ints(static_cast<std::size_t>(rank), 0), Ints(static_cast<std::size_t>(rank), 0)};
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (const std::int64_t pad : {pads[i], pads[axes.size() + i]}) {
      if (std::abs(pad) > kMostElements) return bad_node("pads that are too large");
    }
    result.before[axes[i]] = pads[i];
    result.after[axes[i]] = pads[axes.size() + i];
  }
  return result;
}

// The positions that `reflect` and `edge` padding take their elements from.
Ints padded_positions(std::int64_t length, std::int64_t before, std::int64_t after, bool reflect) {
  const std::int64_t period = std::max<std::int64_t>(2 * (length - 1), 1);
  Ints positions;
  for (std::int64_t i = -before; i < length + after; ++i) {
    if (reflect) {
      const std::int64_t phase = ((i % period) + period) % period;
      positions.push_back(std::min(phase, period - phase));
    } else {
      positions.push_back(std::clamp<std::int64_t>(i, 0, length - 1));
    }
  }
  return positions;
}

Result<Tensors> pad(OpCall& call) {
  at::Tensor x = call.inputs[0];
  ASSIGN_OR_RETURN(const Padding padding, padding_of(call));
  Ints shape = x.sizes().vec();
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] += padding.before[i] + padding.after[i];
  RETURN_IF_ERROR(check_shape(shape));
  const std::string mode = call.text("mode", "constant");
  if (mode == "constant") {
    Ints pads;  // LibTorch counts axes from the last
    for (std::size_t i = shape.size(); i-- > 0;)
      pads.insert(pads.end(), {padding.before[i], padding.after[i]});
    const at::Scalar value =
        call.has(2) ? call.inputs[2].item() : at::Scalar(call.number("value", 0));
    return one(at::constant_pad_nd(x, pads, value));
  }
  if (mode != "reflect" && mode != "edge")
    return not_implemented("padding mode '" + printable(mode) + "'");
  for (std::int64_t axis = 0; axis < x.dim(); ++axis) {
    if (padding.before[axis] == 0 && padding.after[axis] == 0) continue;
    if (x.size(axis) == 0) return bad_node("padding from an axis without elements");
    const Ints positions = padded_positions(x.size(axis), padding.before[axis], padding.after[axis],
                                            mode == "reflect");
    x = x.index_select(axis, at::tensor(positions, at::kLong).to(x.device()));
  }
  return one(x);
}

bool stacks_pad(const OpCall& call, const std::vector<bool>& stacked) {
  const auto padding = padding_of(call);
  return stacked[0] && padding.ok() && padding->before[0] == 0 && padding->after[0] == 0;
}

constexpr std::array kIndexOperators = {
    Operator{"Concat", concat, 1, kAnyNumber, "axis:i", stacks_concat},
    Operator{
        "Split", split, 1, 2, "axis:i split:I num_outputs:i",
        [](const OpCall& call, const std::vector<bool>&) { return axis_is_not_first(call, 0); },
        host({1})},
    Operator{"Slice", slice, 1, 5, "starts:I ends:I axes:I", stacks_slice, host({1, 2, 3, 4})},
    Operator{"Gather", gather, 2, 2, "axis:i", stacks_gather},
    Operator{"Tile", tile, 2, 2, "", stacks_tile, host({1})},
    Operator{"Pad", pad, 1, 4, "mode:s pads:I value:f", stacks_pad, host({1, 2, 3})},
};

}  // namespace

std::span<const Operator> index_operators() { return kIndexOperators; }

}  // namespace mimicfleet::onnx
