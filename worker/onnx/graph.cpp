#include "worker/onnx/graph.h"

#include <array>
#include <utility>

#include "common/check.h"

namespace mimicfleet::onnx {
namespace {

struct TypeFacts {
  std::size_t size;
  std::string_view name;
};
constexpr std::array kTypeFacts = {
    TypeFacts{4, "float"}, TypeFacts{8, "double"}, TypeFacts{2, "float16"},
    TypeFacts{8, "int64"}, TypeFacts{4, "int32"},  TypeFacts{2, "int16"},
    TypeFacts{1, "int8"},  TypeFacts{1, "uint8"},  TypeFacts{1, "bool"},
};

}  // namespace

std::size_t item_size(DataType type) { return kTypeFacts.at(static_cast<std::size_t>(type)).size; }

std::string_view to_string(DataType type) {
  return kTypeFacts.at(static_cast<std::size_t>(type)).name;
}

std::string printable(std::string_view name) {
  constexpr std::size_t kLongest = 100;
  std::string result(name.substr(0, kLongest));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (name.size() > kLongest) result += "...";
  return result;
}

std::string describe(const Graph& graph, const Node& node) {
  return graph.file + ": node '" + printable(node.name) + "' (" + printable(node.op) + ", opset " +
         std::to_string(graph.opset) + ")";
}

}  // namespace mimicfleet::onnx
