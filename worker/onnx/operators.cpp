#include "worker/onnx/operators.h"

#include <algorithm>
#include <array>
#include <map>

namespace mimicfleet::onnx {
namespace {

using Table = std::map<std::string_view, const Operator*>;

const Table& table() {
  static const Table all = [] {
    Table result;
    for (const auto operators :
         {elementwise_operators(), shape_operators(), index_operators(), constant_operators(),
          reduce_operators(), linear_operators(), pool_operators(), resize_operators()}) {
      for (const Operator& op : operators) result.emplace(op.name, &op);
    }
    return result;
  }();
  return all;
}

// The kind letters of Operator::attributes, in the order of AttributeValue's alternatives.
constexpr std::string_view kKinds = "ifsIFSt";

// The kind that `spec` gives to the attribute, or 0.
char kind_of(std::string_view spec, std::string_view name) {
  while (!spec.empty()) {
    const std::string_view entry = spec.substr(0, spec.find(' '));
    if (entry.size() == name.size() + 2 && entry.starts_with(name) && entry[name.size()] == ':') {
      return entry.back();
    }
    spec.remove_prefix(std::min(spec.size(), entry.size() + 1));
  }
  return 0;
}

}  // namespace

const Operator* find_operator(std::string_view name) {
  const auto found = table().find(name);
  return found == table().end() ? nullptr : found->second;
}

std::vector<std::string_view> operator_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, unused] : table()) names.push_back(name);
  return names;
}

Status check_node(const Graph& graph, const Node& node) {
  const Operator* op = find_operator(node.op);
  if (op == nullptr) {
    return not_implemented("this operator is not implemented").prefixed(describe(graph, node));
  }
  if (node.inputs.size() < op->fewest_inputs || node.inputs.size() > op->most_inputs) {
    return bad_node("has " + std::to_string(node.inputs.size()) + " inputs")
        .prefixed(describe(graph, node));
  }
  for (std::size_t i = 0; i < op->fewest_inputs; ++i) {
    if (node.inputs[i] == kAbsent) {
      return bad_node("lacks its input " + std::to_string(i)).prefixed(describe(graph, node));
    }
  }
  if (node.outputs.empty()) return bad_node("has no output").prefixed(describe(graph, node));
  for (const auto& [name, value] : node.attributes) {
    const char kind = kind_of(op->attributes, name);
    if (kind == 0) {
      return not_implemented("its attribute '" + printable(name) + "' is not implemented")
          .prefixed(describe(graph, node));
    }
    if (kind != kKinds[value.index()]) {
      return bad_node("its attribute '" + printable(name) + "' has the wrong type")
          .prefixed(describe(graph, node));
    }
  }
  return {};
}

}  // namespace mimicfleet::onnx
