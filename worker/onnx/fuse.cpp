#include <algorithm>
#include <map>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "worker/onnx/program.h"

namespace mimicfleet::onnx {
namespace {

// How often each value is used; a graph output counts as a use.
std::map<ValueId, int> count_uses(const Program& program) {
  std::map<ValueId, int> uses;
  for (const Step& step : program.steps) {
    for (const ValueId id : step.node.inputs) ++uses[id];
  }
  for (const ValueId id : program.graph.outputs) ++uses[id];
  return uses;
}

// Which step computes each value.
std::map<ValueId, std::size_t> find_producers(const Program& program) {
  std::map<ValueId, std::size_t> producers;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    for (const ValueId id : program.steps[i].node.outputs) producers[id] = i;
  }
  return producers;
}

ValueId add_constant(Program& program, at::Tensor tensor) {
  const auto id = static_cast<ValueId>(program.graph.value_names.size());
  program.graph.value_names.emplace_back("folded");
  program.constants.emplace(id, std::move(tensor));
  return id;
}

bool is_float(const Program& program, ValueId id) {
  const auto found = program.constants.find(id);
  return found != program.constants.end() && found->second.scalar_type() == at::kFloat;
}

// The constants of conv and norm are known, and they fit each other.
bool foldable(const Program& program, const Node& conv, const Node& norm) {
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kAbsent;
  if (!is_float(program, conv.inputs[1]) || (has_bias && !is_float(program, conv.inputs[2]))) return false;
  if (norm.inputs.size() != 5 || norm.outputs.size() != 1 || norm.attributes.contains("training_mode"))
    return false;
  const at::Tensor& weight = program.constants.at(conv.inputs[1]);
  return std::all_of(norm.inputs.begin() + 1, norm.inputs.end(), [&](ValueId id) {
    return is_float(program, id) && weight.dim() > 1 &&
           program.constants.at(id).sizes() == at::IntArrayRef{weight.size(0)};
  });
}

// y = (conv(x) - mean) * scale / sqrt(var + eps) + shift, as another convolution. In double: the folded
// weights are then as exact as the separate steps.
void fold_norm(Program& program, Node& conv, const Node& norm) {
  const OpCall attributes{norm, program.graph.opset, 1, {}};
  const auto constant = [&](ValueId id) { return program.constants.at(id).to(at::kDouble); };
  const at::Tensor weight = constant(conv.inputs[1]);
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kAbsent;
  const at::Tensor bias = has_bias ? constant(conv.inputs[2]) : at::zeros({weight.size(0)}, at::kDouble);
  const at::Tensor factor =
      constant(norm.inputs[1]) / (constant(norm.inputs[4]) + attributes.number("epsilon", 1e-5)).sqrt();
  Ints per_filter(static_cast<std::size_t>(weight.dim()), 1);
  per_filter[0] = -1;
  const at::Tensor shifted = (bias - constant(norm.inputs[3])) * factor + constant(norm.inputs[2]);
  conv.inputs.resize(3, kAbsent);
  conv.inputs[1] = add_constant(program, (weight * factor.view(per_filter)).to(at::kFloat));
  conv.inputs[2] = add_constant(program, shifted.to(at::kFloat));
  conv.outputs = norm.outputs;
}

// A norm that follows a convolution directly, and is all that uses its result, becomes part of its weights.
void fold_norms(Program& program) {
  const auto uses = count_uses(program);
  const auto producers = find_producers(program);
  for (Step& step : program.steps) {
    if (step.op->name != "BatchNormalization") continue;
    const auto producer = producers.find(step.node.inputs[0]);
    if (producer == producers.end() || uses.at(step.node.inputs[0]) != 1) continue;
    Step& conv = program.steps[producer->second];
    if (conv.op->name != "Conv" || !foldable(program, conv.node, step.node)) continue;
    fold_norm(program, conv.node, step.node);
    step.op = nullptr;
  }
  std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
}

// Mul(x, Sigmoid(x)) becomes Silu(x) if nothing else uses the sigmoid. The sigmoid's step goes.
void fuse_silu(Program& program) {
  const auto uses = count_uses(program);
  const auto producers = find_producers(program);
  for (Step& step : program.steps) {
    if (step.op->name != "Mul") continue;
    for (const int gate : {1, 0}) {
      const ValueId x = step.node.inputs[1 - gate];
      const auto producer = producers.find(step.node.inputs[gate]);
      if (producer == producers.end()) continue;
      Step& sigmoid = program.steps[producer->second];
      if (sigmoid.op == nullptr || sigmoid.op->name != "Sigmoid" || sigmoid.node.inputs[0] != x) continue;
      if (uses.at(step.node.inputs[gate]) != 1) continue;
      sigmoid.op = nullptr;
      step.node.op = "mimicfleet.Silu";
      step.node.inputs = {x};
      step.op = find_operator(step.node.op);
      break;
    }
  }
  std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
}

}  // namespace

void fuse(Program& program) {
  fold_norms(program);
  fuse_silu(program);
}

}  // namespace mimicfleet::onnx
