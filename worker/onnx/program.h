#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/status.h"
#include "worker/onnx/graph.h"
#include "worker/onnx/operators.h"

// A graph made ready to run on one device: constant parts are computed, neighbours fused, weights
// placed.
namespace mimicfleet::onnx {

// The place of a convolution's channels among those of the others that the same Concat reads.
struct Join {
  std::size_t concat;  // Program::joins of them
  std::int64_t first_channel;
  std::int64_t all_channels;
  bool is_last;  // no later step writes there
};

struct Step {
  Node node;
  const Operator* op = nullptr;
  bool on_host = false;  // works on shapes and constants: stays on the CPU whatever the device
  std::vector<bool> last_uses{};  // input i is needed by no later step
  Tensors constants{};            // input i where the step computes; undefined if it is no constant
  std::optional<Join> join{};     // of a convolution that is read by a Concat alone
};

// Input i is read by the host as values, whatever the device.
[[nodiscard]] bool reads_on_host(const Step& step, std::size_t input);

// A convolution, alone or with what follows it.
[[nodiscard]] bool is_convolution(const Step& step);

struct Program {
  Graph graph;  // without its nodes and constants
  at::Device device = at::kCPU;
  std::vector<Step> steps;
  std::map<ValueId, at::Tensor> constants;  // on the CPU
  std::size_t joins = 0;
};

// kUnsupported or kBadInput, naming file, node and operator.
[[nodiscard]] Result<Program> compile(Graph graph, at::Device device);

// Runs one kernel. Whatever goes wrong names the file and the node.
[[nodiscard]] Result<Tensors> run_step(const Program& program, const Step& step, OpCall& call);

// For compile(): Conv + BatchNormalization becomes Conv, x * Sigmoid(x) becomes one step, and so
// does what follows a Conv; a pool that is another pool's larger sibling continues from its result.
void fuse(Program& program);

}  // namespace mimicfleet::onnx
