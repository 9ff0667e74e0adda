// Operators that make tensors, and their types.
#include <array>
#include <cmath>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

Result<Tensors> constant(OpCall& call) {
  const auto& attributes = call.node.attributes;
  if (attributes.size() != 1) return bad_node("has to have exactly one value");
  const auto& [name, value] = *attributes.begin();
  if (name == "value") return one(to_tensor(std::get<TensorData>(value)));
  if (name == "value_float") return one(at::tensor(call.number(name, 0), at::kFloat));
  if (name == "value_int") return one(at::tensor(call.integer(name, 0), at::kLong));
  if (name == "value_floats") return one(at::tensor(call.numbers(name), at::kFloat));
  return one(at::tensor(call.integers(name), at::kLong));
}

Result<Tensors> constant_of_shape(OpCall& call) {
  const Ints shape = call.read_ints(0);
  RETURN_IF_ERROR(check_shape(shape));
  const auto found = call.node.attributes.find("value");
  if (found == call.node.attributes.end()) return one(at::full(shape, 0, at::kFloat));
  const at::Tensor value = to_tensor(std::get<TensorData>(found->second));
  if (value.numel() != 1) return bad_node("its value is not one element");
  return one(at::full(shape, value.item(), value.scalar_type()));
}

Result<Tensors> range(OpCall& call) {
  const double start = call.inputs[0].item().toDouble();
  const double limit = call.inputs[1].item().toDouble();
  const double delta = call.inputs[2].item().toDouble();
  const double steps = std::ceil((limit - start) / delta);
  if (!(steps <= static_cast<double>(kMostElements))) return bad_node("a range without end");
  const auto type = call.inputs[0].scalar_type();
  if (steps <= 0) return one(at::full({0}, 0, type));
  return one(at::arange(call.inputs[0].item(), call.inputs[1].item(), call.inputs[2].item(), type));
}

Result<Tensors> cast(OpCall& call) {
  ASSIGN_OR_RETURN(const DataType type, data_type_from(call.integer("to", 0)));
  return one(call.inputs[0].to(scalar_type(type)));
}

constexpr std::array kConstantOperators = {
    Operator{"Constant", constant, 0, 0,
             "value:t value_float:f value_floats:F value_int:i value_ints:I", never_stacks},
    Operator{"ConstantOfShape", constant_of_shape, 1, 1, "value:t", never_stacks, host({0})},
    Operator{"Range", range, 3, 3, "", never_stacks, host({0, 1, 2})},
    Operator{"Cast", cast, 1, 1, "to:i", stacks_elementwise},
};

}  // namespace

std::span<const Operator> constant_operators() { return kConstantOperators; }

}  // namespace mimicfleet::onnx
