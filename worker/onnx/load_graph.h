#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"
#include "worker/onnx/graph.h"

namespace mimicfleet::onnx {

// What a file may ask for. Beyond it: kBadInput.
struct LoadLimits {
  std::int64_t file_bytes = (std::int64_t{1} << 31) - 1;  // as far as the format itself reaches
  int nodes = 100'000;
  int edges_per_node = 4'096;  // inputs or outputs
  int rank = 16;
};

// Operator sets that the executor knows. Where operators changed, older forms that are not
// implemented show by attributes that check_node() does not know.
inline constexpr int kOldestOpset = 1;
inline constexpr int kNewestOpset = 18;

// Reads a model: kBadInput for what is damaged or contradicts the format, kUnsupported for what is
// well-formed but outside of what runs here: tensors in other files, other operator sets or
// domains, subgraphs, strings, sparse tensors. Operators are looked up later (see operators.h).
// `file` only names the bytes in messages.
[[nodiscard]] Result<Graph> parse_graph(std::string_view bytes, const std::string& file,
                                        const LoadLimits& limits = {});
[[nodiscard]] Result<Graph> load_graph(const std::string& path, const LoadLimits& limits = {});

// A serialized TensorProto on its own, as ONNX's test data hold them.
[[nodiscard]] Result<TensorData> parse_tensor(std::string_view bytes, const std::string& file,
                                              const LoadLimits& limits = {});

}  // namespace mimicfleet::onnx
