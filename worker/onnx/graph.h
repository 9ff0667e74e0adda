#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/status.h"

// An ONNX model as plain data, checked and without the schema library's types.
namespace mimicfleet::onnx {

enum class DataType { kFloat, kDouble, kHalf, kInt64, kInt32, kInt16, kInt8, kUint8, kBool };

[[nodiscard]] std::size_t item_size(DataType type);
[[nodiscard]] std::string_view to_string(DataType type);

// The type with this number in the format (TensorProto.DataType). kUnsupported for those missing
// above.
[[nodiscard]] Result<DataType> data_type_from(std::int64_t number);

// `bytes` is row-major and little-endian and has exactly the size that `dims` and `type` say.
struct TensorData {
  DataType type = DataType::kFloat;
  std::vector<std::int64_t> dims;
  std::string bytes;
};

using AttributeValue = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>,
                                    std::vector<float>, std::vector<std::string>, TensorData>;

// Index into Graph::value_names. Each value is a graph input, a constant, or one node's output.
using ValueId = int;
inline constexpr ValueId kAbsent = -1;  // an optional input or output that is left out

struct Node {
  std::string name;
  std::string op;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<std::string, AttributeValue, std::less<>> attributes;
};

struct GraphInput {
  ValueId value = kAbsent;
  DataType type = DataType::kFloat;
  std::vector<std::int64_t>
      dims;  // -1: not fixed. Empty also if the file says nothing about the shape
};

struct Graph {
  std::string file;  // for messages
  int opset = 0;
  std::vector<std::string> value_names;
  std::vector<GraphInput> inputs;
  std::vector<ValueId> outputs;
  std::map<ValueId, TensorData> constants;  // the initializers
  std::vector<Node> nodes;                  // every input comes before its use
};

// `name` for a message: one line, printable, bounded.
[[nodiscard]] std::string printable(std::string_view name);

// "file: node 'name' (Operator, opset 11)", to prefix what is wrong with it.
[[nodiscard]] std::string describe(const Graph& graph, const Node& node);

}  // namespace mimicfleet::onnx
