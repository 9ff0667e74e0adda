#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/status.h"
#include "worker/onnx/graph.h"
#include "worker/onnx/operators.h"

// A graph made ready to run on one device: constant parts are computed, neighbours fused, weights placed.
namespace mimicfleet::onnx {

struct Step {
  Node node;
  const Operator* op = nullptr;
  bool on_host = false;         // works on shapes and constants: stays on the CPU whatever the device
  std::vector<bool> last_uses;  // input i is needed by no later step
};

struct Program {
  Graph graph;  // without its nodes and constants
  at::Device device = at::kCPU;
  std::vector<Step> steps;
  std::map<ValueId, at::Tensor> constants;         // on the CPU
  std::map<ValueId, at::Tensor> device_constants;  // those that steps on the device compute with
};

// kUnsupported or kBadInput, naming file, node and operator.
[[nodiscard]] Result<Program> compile(Graph graph, at::Device device);

// Runs one kernel. Whatever goes wrong names the file and the node.
[[nodiscard]] Result<Tensors> run_step(const Program& program, const Step& step, OpCall& call);

// For compile(): Conv + BatchNormalization becomes Conv, x * Sigmoid(x) becomes one step.
void fuse(Program& program);

}  // namespace mimicfleet::onnx
