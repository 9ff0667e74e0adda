// Operators that change the shape and keep the elements.
#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <optional>

#include <ATen/ops/tensor.h>

#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

std::int64_t product(at::IntArrayRef dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// The shape that one of the stacked items has.
Ints item_shape(const OpCall& call) {
  Ints shape = call.inputs[0].sizes().vec();
  if (call.batch > 1) shape.at(0) /= call.batch;
  return shape;
}

// `shape` is one item's result; with stacked items its axis 0, which is 1, becomes theirs.
void restack(const OpCall& call, Ints& shape) {
  if (call.batch == 1) return;
  CHECK(!shape.empty() && shape[0] == 1);
  shape[0] = call.batch;
}

Result<Tensors> shape(OpCall& call) {
  const Ints dims = item_shape(call);
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto position = [&](std::string_view name, std::int64_t otherwise) {
    const std::int64_t value = call.integer(name, otherwise);
    return std::clamp<std::int64_t>(value < 0 ? value + rank : value, 0, rank);
  };
  const std::int64_t start = position("start", 0);
  const std::int64_t end = std::max(start, position("end", rank));
  return one(at::tensor(Ints(dims.begin() + start, dims.begin() + end), at::kLong));
}

// Reshape's target with 0 (keep) and -1 (whatever is left) replaced.
Result<Ints> resolved(Ints target, at::IntArrayRef from, bool zero_is_zero) {
  std::optional<std::size_t> open;
  std::int64_t known = 1;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] == 0 && !zero_is_zero) {
      if (i >= from.size()) return bad_node("a 0 in the target shape that stands for no dimension");
      target[i] = from[i];
    }
    if (target[i] == -1) {
      if (open) return bad_node("two -1 in the target shape");
      open = i;
    } else {
      if (target[i] < 0) return bad_node("a negative target shape");
      known *= target[i];
      if (known > kMostElements) return bad_node("a target shape that is too large");
    }
  }
  const std::int64_t elements = product(from);
  if (open) {
    if (known == 0 || elements % known != 0) return bad_node("a target shape that does not fit");
    target[*open] = elements / known;
  } else if (known != elements) {
    return bad_node("a target shape that does not fit");
  }
  return target;
}

Result<Tensors> reshape(OpCall& call) {
  ASSIGN_OR_RETURN(Ints target, resolved(call.read_ints(1), item_shape(call),
                                         call.integer("allowzero", 0) != 0));
  restack(call, target);
  return one(call.inputs[0].reshape(target));
}

Result<Tensors> flatten(OpCall& call) {
  const Ints from = item_shape(call);
  const auto rank = static_cast<std::int64_t>(from.size());
  std::int64_t axis = call.integer("axis", 1);
  if (axis != rank) {
    ASSIGN_OR_RETURN(axis, normal_axis(axis, rank));
  }
  const at::IntArrayRef dims(from);
  Ints target = {product(dims.slice(0, axis)), product(dims.slice(axis))};
  restack(call, target);
  return one(call.inputs[0].reshape(target));
}

Result<Tensors> expand(OpCall& call) {
  const Ints from = item_shape(call);
  Ints target = call.read_ints(1);
  if (target.size() < from.size()) target.insert(target.begin(), from.size() - target.size(), 1);
  const std::size_t offset = target.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::int64_t& dim = target[offset + i];
    if (dim == 1) dim = from[i];
    if (dim != from[i] && from[i] != 1) return bad_node("a target shape that does not fit");
  }
  RETURN_IF_ERROR(check_shape(target));
  restack(call, target);
  return one(call.inputs[0].expand(target));
}

// The axes come as an attribute up to operator set 12, as an input since.
Ints axes_of(const OpCall& call) { return call.has(1) ? call.read_ints(1) : call.integers("axes"); }

Result<Tensors> squeeze(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(Ints axes, normal_axes(axes_of(call), x.dim()));
  if (axes.empty()) return one(x.squeeze());
  for (const std::int64_t axis : axes) {
    if (x.size(axis) != 1)
      return bad_node("axis " + std::to_string(axis) + " has more than one element");
  }
  return one(x.squeeze(axes));
}

Result<Ints> unsqueezed_axes(const OpCall& call) {
  Ints axes = axes_of(call);
  ASSIGN_OR_RETURN(
      axes, normal_axes(axes, call.inputs[0].dim() + static_cast<std::int64_t>(axes.size())));
  std::sort(axes.begin(), axes.end());
  return axes;
}

Result<Tensors> unsqueeze(OpCall& call) {
  ASSIGN_OR_RETURN(const Ints axes, unsqueezed_axes(call));
  at::Tensor result = call.inputs[0];
  for (const std::int64_t axis : axes) result = result.unsqueeze(axis);
  return one(result);
}

Result<Tensors> transpose(OpCall& call) {
  Ints order = call.integers("perm");
  if (order.empty()) {
    order.resize(static_cast<std::size_t>(call.inputs[0].dim()));
    std::iota(order.rbegin(), order.rend(), 0);
  }
  return one(call.inputs[0].permute(order));
}

bool stacks_squeeze(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const auto axes = normal_axes(axes_of(call), call.inputs[0].dim());
  return axes.ok() && !axes->empty() && std::count(axes->begin(), axes->end(), 0) == 0;
}

bool stacks_unsqueeze(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const auto axes = unsqueezed_axes(call);
  return axes.ok() && std::count(axes->begin(), axes->end(), 0) == 0;
}

bool stacks_transpose(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const Ints order = call.integers("perm");
  return !order.empty() && order[0] == 0;
}

// The elements of an item stay together and in order, so that only axis 0 must still be the items'
// (which is checked for every operator).
bool stacks_reshape(const OpCall& /*call*/, const std::vector<bool>& stacked) { return stacked[0]; }

bool stacks_expand(const OpCall& call, const std::vector<bool>& stacked) {
  return stacked[0] && call.read_ints(1).size() <= static_cast<std::size_t>(call.inputs[0].dim());
}

// Shape's result is that of one item, however many there are.
bool stacks_shape(const OpCall& /*call*/, const std::vector<bool>& /*stacked*/) { return true; }

constexpr std::array kShapeOperators = {
    Operator{"Shape", shape, 1, 1, "start:i end:i", stacks_shape},
    Operator{"Reshape", reshape, 2, 2, "allowzero:i", stacks_reshape, host({1})},
    Operator{"Flatten", flatten, 1, 1, "axis:i", stacks_reshape},
    Operator{"Expand", expand, 2, 2, "", stacks_expand, host({1})},
    Operator{"Squeeze", squeeze, 1, 2, "axes:I", stacks_squeeze, host({1})},
    Operator{"Unsqueeze", unsqueeze, 1, 2, "axes:I", stacks_unsqueeze, host({1})},
    Operator{"Transpose", transpose, 1, 1, "perm:I", stacks_transpose},
};

}  // namespace

std::span<const Operator> shape_operators() { return kShapeOperators; }

}  // namespace mimicfleet::onnx
