// Operators that treat every element alike, with broadcasting.
#include <algorithm>
#include <array>
#include <utility>

#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/div.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>

#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

using Input = const at::Tensor&;

// True if `a op b` can be written into `a`: nobody else needs `a`, and the result has its shape.
bool fits_into_first(const OpCall& call) {
  const at::Tensor& a = call.inputs[0];
  const at::Tensor& b = call.inputs[1];
  if (!call.may_overwrite(0) || b.dim() > a.dim()) return false;
  for (std::int64_t axis = 1; axis <= b.dim(); ++axis) {
    if (b.size(-axis) != 1 && b.size(-axis) != a.size(-axis)) return false;
  }
  return true;
}

Status check_same_type(const OpCall& call) {
  for (const auto& input : call.inputs) {
    if (input.scalar_type() != call.inputs[0].scalar_type())
      return bad_node("its inputs differ in type");
  }
  return {};
}

Result<Tensors> add(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  if (fits_into_first(call)) return one(call.inputs[0].add_(call.inputs[1]));
  return one(at::add(call.inputs[0], call.inputs[1]));
}

Result<Tensors> sub(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  return one(at::sub(call.inputs[0], call.inputs[1]));
}

Result<Tensors> mul(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  if (fits_into_first(call)) return one(call.inputs[0].mul_(call.inputs[1]));
  return one(at::mul(call.inputs[0], call.inputs[1]));
}

Result<Tensors> div(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  if (call.inputs[0].is_floating_point()) return one(at::div(call.inputs[0], call.inputs[1]));
  return one(at::div(call.inputs[0], call.inputs[1], "trunc"));
}

Result<Tensors> pow(OpCall& call) {
  return one(at::pow(call.inputs[0], call.inputs[1]).to(call.inputs[0].scalar_type()));
}

template <auto compare>
Result<Tensors> compared(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  return one(compare(call.inputs[0], call.inputs[1]));
}

template <auto combine>
Result<Tensors> combined(OpCall& call) {
  RETURN_IF_ERROR(check_same_type(call));
  at::Tensor result = call.inputs[0];
  for (std::size_t i = 1; i < call.inputs.size(); ++i) result = combine(result, call.inputs[i]);
  return one(result);
}

// For what LibTorch knows in place, too: `change` gets a tensor that it may overwrite or the
// untouched input.
template <auto in_place, auto fresh>
Result<Tensors> changed(OpCall& call) {
  return one(call.may_overwrite(0) ? in_place(call.inputs[0]) : fresh(call.inputs[0]));
}

Result<Tensors> hard_sigmoid(OpCall& call) {
  const double alpha = call.number("alpha", static_cast<double>(0.2F));
  const double beta = call.number("beta", 0.5);
  return one(call.inputs[0].mul(alpha).add_(beta).clamp_(0, 1));
}

Result<Tensors> clip(OpCall& call) {
  const auto bound = [&](std::size_t input,
                         std::string_view attribute) -> std::optional<at::Scalar> {
    if (call.has(input)) return call.inputs[input].item();
    if (call.has_attribute(attribute)) return call.number(attribute, 0);
    return std::nullopt;
  };
  const std::optional<at::Scalar> low = bound(1, "min");
  const std::optional<at::Scalar> high = bound(2, "max");
  if (!low && !high) return one(call.inputs[0]);
  return one(at::clamp(call.inputs[0], low, high));
}

Result<Tensors> where(OpCall& call) {
  if (call.inputs[1].scalar_type() != call.inputs[2].scalar_type()) {
    return bad_node("its inputs differ in type");
  }
  return one(at::where(call.inputs[0], call.inputs[1], call.inputs[2]));
}

template <auto function>
Result<Tensors> mapped(OpCall& call) {
  return one(function(call.inputs[0]));
}

// clang-format off
constexpr Operator unary(std::string_view name, Kernel kernel, std::string_view attributes = "") {
  return {name, kernel, 1, 1, attributes, stacks_elementwise};
}
constexpr Operator binary(std::string_view name, Kernel kernel) {
  return {name, kernel, 2, 2, "", stacks_elementwise};
}

constexpr std::array kElementwiseOperators = {
    unary("Abs", mapped<[](const at::Tensor& x) { return at::abs(x); }>),
    unary("Ceil", mapped<[](const at::Tensor& x) { return at::ceil(x); }>),
    unary("Exp", mapped<[](const at::Tensor& x) { return at::exp(x); }>),
    unary("Floor", mapped<[](const at::Tensor& x) { return at::floor(x); }>),
    unary("Identity", mapped<[](const at::Tensor& x) { return x; }>),
    unary("Neg", mapped<[](const at::Tensor& x) { return at::neg(x); }>),
    unary("Sqrt", mapped<[](const at::Tensor& x) { return at::sqrt(x); }>),
    unary("Relu", changed<[](at::Tensor& x) { return x.relu_(); },
                          [](const at::Tensor& x) { return at::relu(x); }>),
    unary("Sigmoid", changed<[](at::Tensor& x) { return x.sigmoid_(); },
                             [](const at::Tensor& x) { return at::sigmoid(x); }>),
    unary("LeakyRelu", [](OpCall& call) { return one(at::leaky_relu(call.inputs[0],
                                                     call.number("alpha", 0.01F))); }, "alpha:f"),
    unary("HardSigmoid", hard_sigmoid, "alpha:f beta:f"),
    binary("Add", add),
    binary("Sub", sub),
    binary("Mul", mul),
    binary("Div", div),
    binary("Pow", pow),
    binary("Equal", compared<[](Input a, Input b) { return at::eq(a, b); }>),
    binary("Greater", compared<[](Input a, Input b) { return at::gt(a, b); }>),
    binary("Less", compared<[](Input a, Input b) { return at::lt(a, b); }>),
    Operator{"Max", combined<[](Input a, Input b) { return at::maximum(a, b); }>,
             1, kAnyNumber, "", stacks_elementwise},
    Operator{"Min", combined<[](Input a, Input b) { return at::minimum(a, b); }>,
             1, kAnyNumber, "", stacks_elementwise},
    Operator{"Clip", clip, 1, 3, "min:f max:f", stacks_elementwise, host({1, 2})},
    Operator{"Where", where, 3, 3, "", stacks_elementwise},
    unary(kSilu, changed<[](at::Tensor& x) { return at::silu_(x); },
                 [](const at::Tensor& x) { return at::silu(x); }>),
};
// clang-format on

}  // namespace

std::span<const Operator> elementwise_operators() { return kElementwiseOperators; }

}  // namespace mimicfleet::onnx
