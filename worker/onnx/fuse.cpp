#include <algorithm>
#include <map>
#include <utility>
#include <vector>

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
  if (!is_float(program, conv.inputs[1]) || (has_bias && !is_float(program, conv.inputs[2])))
    return false;
  if (norm.inputs.size() != 5 || norm.outputs.size() != 1 ||
      norm.attributes.contains("training_mode"))
    return false;
  const at::Tensor& weight = program.constants.at(conv.inputs[1]);
  return std::all_of(norm.inputs.begin() + 1, norm.inputs.end(), [&](ValueId id) {
    return is_float(program, id) && weight.dim() > 1 &&
           program.constants.at(id).sizes() == at::IntArrayRef{weight.size(0)};
  });
}

// y = (conv(x) - mean) * scale / sqrt(var + eps) + shift, as another convolution. In double: the
// folded weights are then as exact as the separate steps.
void fold_norm(Program& program, Node& conv, const Node& norm) {
  const OpCall attributes{norm, program.graph.opset, 1, {}};
  const auto constant = [&](ValueId id) { return program.constants.at(id).to(at::kDouble); };
  const at::Tensor weight = constant(conv.inputs[1]);
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kAbsent;
  const at::Tensor bias =
      has_bias ? constant(conv.inputs[2]) : at::zeros({weight.size(0)}, at::kDouble);
  const at::Tensor factor = constant(norm.inputs[1]) /
                            (constant(norm.inputs[4]) + attributes.number("epsilon", 1e-5)).sqrt();
  Ints per_filter(static_cast<std::size_t>(weight.dim()), 1);
  per_filter[0] = -1;
  const at::Tensor shifted = (bias - constant(norm.inputs[3])) * factor + constant(norm.inputs[2]);
  conv.inputs.resize(3, kAbsent);
  conv.inputs[1] = add_constant(program, (weight * factor.view(per_filter)).to(at::kFloat));
  conv.inputs[2] = add_constant(program, shifted.to(at::kFloat));
  conv.outputs = norm.outputs;
}

// A norm that follows a convolution directly, and is all that uses its result, becomes part of its
// weights.
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
      if (sigmoid.op == nullptr || sigmoid.op->name != "Sigmoid" || sigmoid.node.inputs[0] != x)
        continue;
      if (uses.at(step.node.inputs[gate]) != 1) continue;
      sigmoid.op = nullptr;
      step.node.op = kSilu;
      step.node.inputs = {x};
      step.op = find_operator(step.node.op);
      break;
    }
  }
  std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
}

// The step that computes `id` and whose result nothing else uses, if its operator has this name.
Step* sole_producer(Program& program, const std::map<ValueId, int>& uses,
                    const std::map<ValueId, std::size_t>& producers, ValueId id,
                    std::string_view name) {
  const auto producer = producers.find(id);
  if (producer == producers.end() || uses.at(id) != 1) return nullptr;
  Step& step = program.steps[producer->second];
  return step.op != nullptr && step.op->name == name ? &step : nullptr;
}

// `step` takes over what `conv` computes. It is the later one, where all inputs are there.
void take_over(Step& step, Step& conv, ValueId residual) {
  conv.node.outputs = step.node.outputs;
  conv.node.op = kFinishedConv;
  conv.node.inputs.resize(3, kAbsent);
  if (residual != kAbsent) conv.node.inputs.push_back(residual);
  step.node = std::move(conv.node);
  step.op = find_operator(kFinishedConv);
  conv.op = nullptr;
}

// SiLU of a convolution, and the sum of that with something else, become the convolution's.
void fuse_convolutions(Program& program) {
  for (const bool sums : {false, true}) {
    const auto uses = count_uses(program);
    const auto producers = find_producers(program);
    for (Step& step : program.steps) {
      const auto& inputs = step.node.inputs;
      if (!sums && step.op->name == kSilu) {
        Step* conv = sole_producer(program, uses, producers, inputs[0], "Conv");
        if (conv != nullptr) take_over(step, *conv, kAbsent);
      }
      for (const int summand : {1, 0}) {
        if (!sums || step.op->name != "Add") continue;
        Step* conv = sole_producer(program, uses, producers, inputs[summand], kFinishedConv);
        if (conv != nullptr && conv->node.inputs.size() == 3)
          take_over(step, *conv, inputs[1 - summand]);
      }
    }
    std::erase_if(program.steps, [](const Step& step) { return step.op == nullptr; });
  }
}

// The length of a square window that moves by 1 over an image and keeps its size; 0 of any other
// pool.
std::int64_t kept_window(const Program& program, const Step& step) {
  if (step.op->name != "MaxPool" || step.node.outputs.size() != 1) return 0;
  const OpCall call{step.node, program.graph.opset, 1, {}};
  const Ints kernel = call.integers("kernel_shape");
  const auto are = [&](std::string_view name, std::int64_t value, bool may_lack) {
    const Ints values = call.integers(name);
    return values.empty()
               ? may_lack
               : std::all_of(values.begin(), values.end(), [&](auto v) { return v == value; });
  };
  const bool keeps = kernel.size() == 2 && kernel[0] == kernel[1] && kernel[0] % 2 == 1 &&
                     are("strides", 1, true) && are("dilations", 1, true) &&
                     are("pads", kernel[0] / 2, kernel[0] == 1) &&
                     call.text("auto_pad", "NOTSET") == "NOTSET" &&
                     call.integer("ceil_mode", 0) == 0;
  return keeps ? kernel[0] : 0;
}

// The largest of 9 x 9 pixels is the largest of 5 x 5 largest of 5 x 5: a pool of the same image as
// an earlier one with a smaller window, as spatial pyramids have them, continues from that.
void chain_pools(Program& program) {
  std::map<ValueId, std::pair<std::int64_t, ValueId>> done;  // by image: window and result
  for (Step& step : program.steps) {
    const std::int64_t window = kept_window(program, step);
    if (window == 0) continue;
    const ValueId image = step.node.inputs[0];
    const auto smaller = done.find(image);
    if (smaller != done.end() && smaller->second.first < window) {
      const std::int64_t rest = window - smaller->second.first + 1;
      step.node.inputs[0] = smaller->second.second;
      step.node.attributes.insert_or_assign("kernel_shape", Ints{rest, rest});
      step.node.attributes.insert_or_assign("pads", Ints(4, rest / 2));
    }
    done.insert_or_assign(image, std::pair(window, step.node.outputs[0]));
  }
}

// The convolutions that `concat`, along the channels of images, joins, if it joins nothing else and
// nothing else uses them; else none.
std::vector<Step*> joined_by(Program& program, const Step& concat,
                             const std::map<ValueId, int>& uses,
                             const std::map<ValueId, std::size_t>& producers) {
  if (OpCall{concat.node, program.graph.opset, 1, {}}.integer("axis", 1) != 1) return {};
  std::vector<Step*> parts;
  for (const ValueId id : concat.node.inputs) {
    Step* conv = sole_producer(program, uses, producers, id, kFinishedConv);
    const auto weight =
        conv == nullptr ? program.constants.end() : program.constants.find(conv->node.inputs[1]);
    if (weight == program.constants.end() || weight->second.dim() != 4) return {};
    parts.push_back(conv);
  }
  return parts;
}

// Finished convolutions that are only read to be joined write into the joined image at once.
void find_joins(Program& program) {
  const auto uses = count_uses(program);
  const auto producers = find_producers(program);
  for (const Step& concat : program.steps) {
    if (concat.op->name != "Concat") continue;
    const std::vector<Step*> parts = joined_by(program, concat, uses, producers);
    std::int64_t channels = 0;
    for (Step* part : parts) {
      part->join =
          Join{program.joins, channels, 0, part == *std::max_element(parts.begin(), parts.end())};
      channels += program.constants.at(part->node.inputs[1]).size(0);
    }
    for (Step* part : parts) part->join->all_channels = channels;
    if (!parts.empty()) ++program.joins;
  }
}

}  // namespace

void fuse(Program& program) {
  fold_norms(program);
  fuse_silu(program);
  fuse_convolutions(program);
  chain_pools(program);
  find_joins(program);
}

}  // namespace mimicfleet::onnx
