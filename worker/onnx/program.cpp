#include "worker/onnx/program.h"

#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <set>
#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/isnan.h>
#include <c10/core/MemoryFormat.h>
#include <c10/util/Exception.h>

#include "worker/models/nn/float_kernels.h"

namespace mimicfleet::onnx {
namespace {

// Filters [O, I, H, W] in channels-last memory, told by the strides also where they have one
// element or one channel: contiguous() leaves these as they are, and LibTorch then turns images to
// the other format and back. Filters of single channels as our own kernel wants them.
at::Tensor laid_out(const at::Tensor& filters) {
  if (filters.size(1) == 1 && nn::has_float_kernels(filters)) return nn::channel_filters(filters);
  const auto options = filters.options().memory_format(at::MemoryFormat::ChannelsLast);
  return at::empty(filters.sizes(), options).copy_(filters);
}

// Computes every node that depends on constants alone, once and for all.
Status fold_constants(Program& program, std::vector<Node> nodes) {
  auto& constants = program.constants;
  for (Node& node : nodes) {
    Step step{std::move(node), nullptr, false, {}};
    step.op = find_operator(step.node.op);
    const auto& inputs = step.node.inputs;
    const bool constant = std::all_of(inputs.begin(), inputs.end(), [&](ValueId id) {
      return id == kAbsent || constants.contains(id);
    });
    if (!constant) {
      program.steps.push_back(std::move(step));
      continue;
    }
    OpCall call{step.node, program.graph.opset, 1, {}};
    for (const ValueId id : inputs)
      call.inputs.push_back(id == kAbsent ? at::Tensor() : constants.at(id));
    ASSIGN_OR_RETURN(const Tensors results, run_step(program, step, call));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (step.node.outputs[i] != kAbsent)
        constants.insert_or_assign(step.node.outputs[i], results[i]);
    }
  }
  return {};
}

// Drops the steps whose results nobody uses, and their constants.
void drop_unused(Program& program) {
  std::set<ValueId> needed(program.graph.outputs.begin(), program.graph.outputs.end());
  std::vector<Step> kept;
  for (auto step = program.steps.rbegin(); step != program.steps.rend(); ++step) {
    const auto& outputs = step->node.outputs;
    if (std::none_of(outputs.begin(), outputs.end(),
                     [&](ValueId id) { return needed.contains(id); }))
      continue;
    needed.insert(step->node.inputs.begin(), step->node.inputs.end());
    kept.push_back(std::move(*step));
  }
  program.steps.assign(std::make_move_iterator(kept.rbegin()),
                       std::make_move_iterator(kept.rend()));
  std::erase_if(program.constants,
                [&](const auto& entry) { return !needed.contains(entry.first); });
}

void find_last_uses(Program& program) {
  std::set<ValueId> used_later(program.graph.outputs.begin(), program.graph.outputs.end());
  for (auto step = program.steps.rbegin(); step != program.steps.rend(); ++step) {
    step->last_uses.resize(step->node.inputs.size());
    for (std::size_t i = step->node.inputs.size(); i-- > 0;) {
      step->last_uses[i] = used_later.insert(step->node.inputs[i]).second;
    }
  }
}

// Which steps depend only on shapes and constants: those stay on the host.
void find_host_steps(Program& program) {
  std::set<ValueId> on_host{kAbsent};
  for (const auto& [id, unused] : program.constants) on_host.insert(id);
  for (Step& step : program.steps) {
    const auto& inputs = step.node.inputs;
    step.on_host = step.op->name == "Shape";
    if (!step.on_host) {
      step.on_host = true;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (!reads_on_host(step, i) && !on_host.contains(inputs[i])) step.on_host = false;
      }
    }
    if (step.on_host) on_host.insert(step.node.outputs.begin(), step.node.outputs.end());
  }
}

// Gives every step its constants: those of a step on the device there, and convolutions their
// filters in the layout that they want.
void place(Program& program) {
  std::map<std::pair<ValueId, bool>, at::Tensor> placed;  // on the device, as a filter or not
  for (Step& step : program.steps) {
    const auto& inputs = step.node.inputs;
    step.constants.resize(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto constant = program.constants.find(inputs[i]);
      if (constant == program.constants.end()) continue;
      step.constants[i] = constant->second;
      if (step.on_host || reads_on_host(step, i)) continue;
      const bool is_filter = is_convolution(step) && i == 1 && constant->second.dim() == 4;
      at::Tensor& tensor = placed[{inputs[i], is_filter}];
      if (!tensor.defined()) {
        tensor = constant->second.to(program.device);
        if (is_filter) tensor = laid_out(tensor);
      }
      step.constants[i] = tensor;
    }
  }
}

}  // namespace

bool reads_on_host(const Step& step, std::size_t input) {
  return input < 32 && (step.op->host_inputs >> input & 1U) != 0;
}

bool is_convolution(const Step& step) {
  return step.op->name == "Conv" || step.op->name == kFinishedConv;
}

Result<Tensors> run_step(const Program& program, const Step& step, OpCall& call) {
  const auto failed = [&](StatusCode code, std::string_view why) {
    return Status(code, describe(program.graph, step.node) + ": " + std::string(why));
  };
  try {
    auto results = step.op->kernel(call);
    if (!results.ok()) return results.status().prefixed(describe(program.graph, step.node));
    if (results->size() < step.node.outputs.size())
      return failed(StatusCode::kUnsupported, "too many outputs");
    results->resize(step.node.outputs.size());
    return results;
  } catch (const c10::OutOfMemoryError& error) {
    return failed(StatusCode::kResourceExhausted, error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return failed(StatusCode::kBadInput, error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return failed(StatusCode::kResourceExhausted, "memory ran out");
  } catch (const std::exception& error) {
    return failed(StatusCode::kBadInput, error.what());
  }
}

Result<Program> compile(Graph graph, at::Device device) {
  for (const Node& node : graph.nodes) RETURN_IF_ERROR(check_node(graph, node));
  Program program;
  program.device = device;
  while (!graph.constants.empty()) {  // one at a time, so that the weights are not there twice
    const auto entry = graph.constants.extract(graph.constants.begin());
    const at::Tensor tensor = to_tensor(entry.mapped());
    if (tensor.is_floating_point() && at::isnan(tensor).any().item<bool>()) {
      return Status(StatusCode::kBadInput, graph.file + ": tensor '" +
                                               printable(graph.value_names[entry.key()]) +
                                               "' holds NaN; the file is damaged, get it again");
    }
    program.constants.emplace(entry.key(), tensor);
  }
  std::vector<Node> nodes = std::exchange(graph.nodes, {});
  program.graph = std::move(graph);
  RETURN_IF_ERROR(fold_constants(program, std::move(nodes)));
  fuse(program);
  drop_unused(program);
  find_last_uses(program);
  find_host_steps(program);
  place(program);
  return program;
}

}  // namespace mimicfleet::onnx
