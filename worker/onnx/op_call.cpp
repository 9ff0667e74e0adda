#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <ATen/ops/empty.h>

#include "worker/onnx/operators.h"

namespace mimicfleet::onnx {
namespace {

// The attribute, whose type check_node() has checked, or null.
template <typename T>
const T* attribute(const Node& node, std::string_view name) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  CHECK(value != nullptr);
  return value;
}

template <typename To>
std::vector<To> read_as(const at::Tensor& tensor, at::ScalarType type) {
  const at::Tensor values = tensor.to(at::kCPU, type).contiguous();
  const To* data = values.const_data_ptr<To>();
  return {data, data + values.numel()};
}

}  // namespace

bool OpCall::has_attribute(std::string_view name) const {
  return node.attributes.find(name) != node.attributes.end();
}

std::int64_t OpCall::integer(std::string_view name, std::int64_t otherwise) const {
  const auto* value = attribute<std::int64_t>(node, name);
  return value == nullptr ? otherwise : *value;
}

double OpCall::number(std::string_view name, double otherwise) const {
  const auto* value = attribute<float>(node, name);
  return value == nullptr ? otherwise : *value;
}

std::string OpCall::text(std::string_view name, std::string_view otherwise) const {
  const auto* value = attribute<std::string>(node, name);
  return value == nullptr ? std::string(otherwise) : *value;
}

Ints OpCall::integers(std::string_view name) const {
  const auto* value = attribute<Ints>(node, name);
  return value == nullptr ? Ints{} : *value;
}

std::vector<float> OpCall::numbers(std::string_view name) const {
  const auto* value = attribute<std::vector<float>>(node, name);
  return value == nullptr ? std::vector<float>{} : *value;
}

Ints OpCall::read_ints(std::size_t input) const {
  return read_as<std::int64_t>(inputs.at(input), at::kLong);
}

std::vector<double> OpCall::read_numbers(std::size_t input) const {
  return read_as<double>(inputs.at(input), at::kDouble);
}

bool OpCall::may_overwrite(std::size_t input) const {
  const at::Tensor& tensor = inputs[input];
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

Status bad_node(std::string why) { return {StatusCode::kBadInput, std::move(why)}; }

Status not_implemented(std::string why) { return {StatusCode::kUnsupported, std::move(why)}; }

Result<std::int64_t> normal_axis(std::int64_t axis, std::int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return bad_node("axis " + std::to_string(axis) + " of a tensor with " + std::to_string(rank) +
                    " dimensions");
  }
  return axis < 0 ? axis + rank : axis;
}

Result<Ints> normal_axes(Ints axes, std::int64_t rank) {
  for (std::int64_t& axis : axes) {
    ASSIGN_OR_RETURN(axis, normal_axis(axis, rank));
  }
  Ints sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    return bad_node("an axis twice");
  return axes;
}

Status check_shape(at::IntArrayRef shape) {
  std::int64_t elements = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0) return bad_node("a result with a negative dimension");
    if (dim > kMostElements || elements > kMostElements / std::max<std::int64_t>(dim, 1)) {
      return bad_node("a result with more than " + std::to_string(kMostElements) + " elements");
    }
    elements *= dim;
  }
  return {};
}

at::ScalarType scalar_type(DataType type) {
  switch (type) {
    case DataType::kFloat:
      return at::kFloat;
    case DataType::kDouble:
      return at::kDouble;
    case DataType::kHalf:
      return at::kHalf;
    case DataType::kInt64:
      return at::kLong;
    case DataType::kInt32:
      return at::kInt;
    case DataType::kInt16:
      return at::kShort;
    case DataType::kInt8:
      return at::kChar;
    case DataType::kUint8:
      return at::kByte;
    case DataType::kBool:
      return at::kBool;
  }
  CHECK(false);
}

at::Tensor to_tensor(const TensorData& data) {
  at::Tensor tensor = at::empty(data.dims, at::TensorOptions().dtype(scalar_type(data.type)));
  CHECK(tensor.nbytes() == data.bytes.size());
  if (!data.bytes.empty())
    std::memcpy(tensor.mutable_data_ptr(), data.bytes.data(), data.bytes.size());
  return tensor;
}

bool never_stacks(const OpCall& /*call*/, const std::vector<bool>& /*stacked*/) { return false; }

bool stacks_elementwise(const OpCall& call, const std::vector<bool>& stacked) {
  std::int64_t rank = 0;
  for (const auto& input : call.inputs) {
    if (input.defined()) rank = std::max(rank, input.dim());
  }
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const at::Tensor& input = call.inputs[i];
    if (!input.defined()) continue;
    // A lower rank would broadcast the items against another axis; a long axis 0 would broadcast
    // over them.
    if (stacked[i] && input.dim() != rank) return false;
    if (!stacked[i] && input.dim() == rank && input.size(0) != 1) return false;
  }
  return true;
}

bool stacks_first_input(const OpCall& call, const std::vector<bool>& stacked) {
  return stacked[0] && call.inputs[0].dim() >= 2 &&
         std::none_of(stacked.begin() + 1, stacked.end(), [](bool s) { return s; });
}

}  // namespace mimicfleet::onnx
