// Operators along axes: reductions, softmax, the largest elements.
#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <tuple>

#include <ATen/ops/amax.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/topk.h>

#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

// The axes come as an attribute in older operator sets, as an input in newer ones. None means all,
// or none.
Result<Ints> reduced_axes(const OpCall& call) {
  const std::int64_t rank = call.inputs[0].dim();
  Ints axes = call.has(1) ? call.read_ints(1) : call.integers("axes");
  if (axes.empty() && call.integer("noop_with_empty_axes", 0) == 0) {
    axes.resize(static_cast<std::size_t>(rank));
    std::iota(axes.begin(), axes.end(), 0);
  }
  return normal_axes(axes, rank);
}

using Reduction = at::Tensor (*)(const at::Tensor& x, const Ints& axes, bool keep);

template <Reduction reduction>
Result<Tensors> reduced(OpCall& call) {
  ASSIGN_OR_RETURN(const Ints axes, reduced_axes(call));
  if (axes.empty()) return one(call.inputs[0]);
  return one(reduction(call.inputs[0], axes, call.integer("keepdims", 1) != 0));
}

bool stacks_reduction(const OpCall& call, const std::vector<bool>& stacked) {
  const auto axes = reduced_axes(call);
  return stacked[0] && axes.ok() && std::count(axes->begin(), axes->end(), 0) == 0;
}

std::int64_t softmax_axis(const OpCall& call) {
  return call.integer("axis", call.opset < 13 ? 1 : -1);
}

// Up to operator set 12 over all axes from the given one on, since then over that one.
Result<Tensors> softmax(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(const std::int64_t axis, normal_axis(softmax_axis(call), x.dim()));
  if (call.opset >= 13) return one(at::softmax(x, axis));
  return one(at::softmax(x.flatten(axis), axis).reshape(x.sizes()));
}

bool stacks_softmax(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const auto axis = normal_axis(softmax_axis(call), call.inputs[0].dim());
  return axis.ok() && *axis != 0;
}

// The number of elements is an attribute up to operator set 9, an input since.
Result<Tensors> top_k(OpCall& call) {
  const at::Tensor& x = call.inputs[0];
  ASSIGN_OR_RETURN(const std::int64_t axis, normal_axis(call.integer("axis", -1), x.dim()));
  Ints count = call.has(1) ? call.read_ints(1) : Ints{call.integer("k", -1)};
  if (count.size() != 1 || count[0] < 0 || count[0] > x.size(axis))
    return bad_node("k that does not fit");
  auto [values, positions] =
      at::topk(x, count[0], axis, call.integer("largest", 1) != 0, call.integer("sorted", 1) != 0);
  return Tensors{std::move(values), std::move(positions)};
}

bool stacks_top_k(const OpCall& call, const std::vector<bool>& /*stacked*/) {
  const auto axis = normal_axis(call.integer("axis", -1), call.inputs[0].dim());
  return axis.ok() && *axis != 0;
}

constexpr Operator reduction(std::string_view name, Kernel kernel) {
  return {name,     kernel, 1, 2, "axes:I keepdims:i noop_with_empty_axes:i", stacks_reduction,
          host({1})};
}

// clang-format off
constexpr std::array kReduceOperators = {
    reduction("ReduceL2", reduced<[](const at::Tensor& x, const Ints& axes, bool keep) {
      return at::linalg_vector_norm(x, 2, axes, keep); }>),
    reduction("ReduceMax", reduced<[](const at::Tensor& x, const Ints& axes, bool keep) {
      return at::amax(x, axes, keep); }>),
    reduction("ReduceMean", reduced<[](const at::Tensor& x, const Ints& axes, bool keep) {
      return at::mean(x, axes, keep); }>),
    reduction("ReduceSum", reduced<[](const at::Tensor& x, const Ints& axes, bool keep) {
      return at::sum(x, axes, keep, x.scalar_type()); }>),
    Operator{"Softmax", softmax, 1, 1, "axis:i", stacks_softmax},
    Operator{"TopK", top_k, 1, 2, "axis:i k:i largest:i sorted:i", stacks_top_k, host({1})},
};
// clang-format on

}  // namespace

std::span<const Operator> reduce_operators() { return kReduceOperators; }

}  // namespace mimicfleet::onnx
