#include "tests/worker/onnx/model_builder.h"

#include <onnx/onnx_pb.h>

namespace mimicfleet::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::TensorProto;

TensorProto* add_constant(::onnx::ModelProto& model, const std::string& name,
                          const std::vector<std::int64_t>& dims, int type) {
  auto* tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (const std::int64_t dim : dims) tensor->add_dims(dim);
  return tensor;
}

AttributeProto* add_attribute(::onnx::ModelProto& model, const std::string& name,
                              AttributeProto::AttributeType type) {
  auto* attribute = model.mutable_graph()->mutable_node()->rbegin()->add_attribute();
  attribute->set_name(name);
  attribute->set_type(type);
  return attribute;
}

}  // namespace

ModelBuilder::ModelBuilder(int opset) : model_(std::make_unique<::onnx::ModelProto>()) {
  model_->set_ir_version(6);
  model_->add_opset_import()->set_version(opset);
}
ModelBuilder::ModelBuilder(const ModelBuilder& other)
    : model_(std::make_unique<::onnx::ModelProto>(*other.model_)) {}
ModelBuilder::~ModelBuilder() = default;

ModelBuilder& ModelBuilder::input(const std::string& name, const std::vector<std::int64_t>& dims,
                                  int type) {
  auto* value = model_->mutable_graph()->add_input();
  value->set_name(name);
  auto* tensor = value->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  for (const std::int64_t dim : dims) {
    auto* entry = tensor->mutable_shape()->add_dim();
    if (dim >= 0) entry->set_dim_value(dim);
  }
  return *this;
}

ModelBuilder& ModelBuilder::output(const std::string& name) {
  model_->mutable_graph()->add_output()->set_name(name);
  return *this;
}

ModelBuilder& ModelBuilder::floats(const std::string& name, const std::vector<std::int64_t>& dims,
                                   const std::vector<float>& values) {
  auto* tensor = add_constant(*model_, name, dims, TensorProto::FLOAT);
  for (const float value : values) tensor->add_float_data(value);
  return *this;
}

ModelBuilder& ModelBuilder::ints(const std::string& name, const std::vector<std::int64_t>& values) {
  auto* tensor =
      add_constant(*model_, name, {static_cast<std::int64_t>(values.size())}, TensorProto::INT64);
  for (const std::int64_t value : values) tensor->add_int64_data(value);
  return *this;
}

ModelBuilder& ModelBuilder::node(const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs) {
  auto* added = model_->mutable_graph()->add_node();
  added->set_op_type(op);
  added->set_name(op + "_" + outputs.at(0));
  for (const auto& name : inputs) added->add_input(name);
  for (const auto& name : outputs) added->add_output(name);
  return *this;
}

ModelBuilder& ModelBuilder::integer(const std::string& name, std::int64_t value) {
  add_attribute(*model_, name, AttributeProto::INT)->set_i(value);
  return *this;
}

ModelBuilder& ModelBuilder::number(const std::string& name, float value) {
  add_attribute(*model_, name, AttributeProto::FLOAT)->set_f(value);
  return *this;
}

ModelBuilder& ModelBuilder::integers(const std::string& name,
                                     const std::vector<std::int64_t>& values) {
  auto* attribute = add_attribute(*model_, name, AttributeProto::INTS);
  for (const std::int64_t value : values) attribute->add_ints(value);
  return *this;
}

ModelBuilder& ModelBuilder::numbers(const std::string& name, const std::vector<float>& values) {
  auto* attribute = add_attribute(*model_, name, AttributeProto::FLOATS);
  for (const float value : values) attribute->add_floats(value);
  return *this;
}

std::string ModelBuilder::bytes() const { return model_->SerializeAsString(); }

}  // namespace mimicfleet::onnx
