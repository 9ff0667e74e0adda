#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "worker/onnx/load_graph.h"

namespace {

using mimicfleet::onnx::Graph;
using mimicfleet::onnx::ValueId;

// What every accepted graph promises to the executor.
bool is_sound(const Graph& graph) {
  const auto known = [&](ValueId id) {
    return id >= 0 && id < static_cast<ValueId>(graph.value_names.size());
  };
  for (const auto& [id, tensor] : graph.constants) {
    std::size_t bytes = item_size(tensor.type);
    for (const std::int64_t dim : tensor.dims) bytes *= static_cast<std::size_t>(dim);
    if (!known(id) || tensor.bytes.size() != bytes) return false;
  }
  for (const auto& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != mimicfleet::onnx::kAbsent && !known(id)) return false;
    }
  }
  for (const ValueId id : graph.outputs) {
    if (!known(id)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto graph = mimicfleet::onnx::parse_graph(bytes, "fuzz");
  if (graph.ok() && !is_sound(*graph)) std::abort();
  static_cast<void>(mimicfleet::onnx::parse_tensor(bytes, "fuzz"));
  return 0;
}
