#include "worker/onnx/session.h"

#include <algorithm>
#include <set>
#include <utility>

#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "worker/onnx/load_graph.h"
#include "worker/onnx/program.h"

namespace mimicfleet::onnx {

// One walk through the steps.
class Session::Execution {
 public:
  explicit Execution(const Program& program)
      : program_(program), values_(program.graph.value_names.size()), joined_(program.joins) {}

  // Items are stacked along axis 0 where `stacking` says so.
  void stack(std::int64_t batch, const Stacking& stacking) {
    batch_ = batch;
    stacking_ = &stacking;
  }

  // Finds out, with one item, whether many could be stacked.
  void prove(Stacking& proof) {
    proof_ = &proof;
    for (const GraphInput& input : program_.graph.inputs) stacked_.insert(input.value);
  }

  Result<Tensors> run(const Tensors& inputs) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
      values_[program_.graph.inputs[i].value] = inputs[i];
    for (std::size_t i = 0; i < program_.steps.size(); ++i) RETURN_IF_ERROR(run(i));
    Tensors outputs;
    for (const ValueId id : program_.graph.outputs) {
      const auto constant = program_.constants.find(id);
      outputs.push_back(constant != program_.constants.end() ? constant->second : values_[id]);
      if (proof_ != nullptr && !stacked_.contains(id))
        obstacle("an output does not depend on the inputs");
    }
    return outputs;
  }

 private:
  Status run(std::size_t index) {
    const Step& step = program_.steps[index];
    OpCall call{step.node, program_.graph.opset, 1, {}};
    call.inputs.reserve(step.node.inputs.size());
    if (stacking_ != nullptr && stacking_->steps[index]) call.batch = batch_;
    for (std::size_t i = 0; i < step.node.inputs.size(); ++i) call.inputs.push_back(input(step, i));
    const auto& join = step.join;
    if (join) call.part = Part{&joined_[join->concat], join->first_channel, join->all_channels};
    const bool stacks = proof_ != nullptr && prove(step, call);
    ASSIGN_OR_RETURN(Tensors results, run_step(program_, step, call));
    if (join && join->is_last) joined_[join->concat].reset();
    for (std::size_t i = 0; i < results.size(); ++i) {
      const ValueId id = step.node.outputs[i];
      if (id == kAbsent) continue;
      if (stacks) {
        if (results[i].dim() == 0 || results[i].size(0) != 1)
          obstacle(step, "moves the first axis");
        stacked_.insert(id);
      }
      values_[id] = std::move(results[i]);
    }
    return {};
  }

  at::Tensor input(const Step& step, std::size_t i) {
    if (step.constants[i].defined()) return step.constants[i];
    const ValueId id = step.node.inputs[i];
    if (id == kAbsent) return {};
    at::Tensor value = step.last_uses[i] ? std::move(values_[id]) : values_[id];
    const bool stays = step.on_host || reads_on_host(step, i) || value.device() == program_.device;
    return stays ? value : value.to(program_.device);
  }

  // Notes whether the step would treat stacked items as it treats each. True if its results are
  // stacked.
  bool prove(const Step& step, const OpCall& call) {
    std::vector<bool> stacked;
    bool any = false;
    for (std::size_t i = 0; i < step.node.inputs.size(); ++i) {
      stacked.push_back(stacked_.contains(step.node.inputs[i]));
      any = any || stacked.back();
      if (stacked.back() && reads_on_host(step, i)) {
        obstacle(step, "reads a computed value as a shape or a number");
      }
    }
    proof_->steps.push_back(any);
    if (!any) return false;
    if (!step.op->batch_rule(call, stacked)) obstacle(step, "mixes the items");
    return step.op->name != "Shape";
  }

  void obstacle(const Step& step, std::string_view why) {
    obstacle(describe(program_.graph, step.node) + " " + std::string(why));
  }
  void obstacle(std::string why) {
    if (proof_->obstacle.empty()) proof_->obstacle = std::move(why);
  }

  const Program& program_;
  std::vector<at::Tensor> values_;
  std::vector<at::Tensor> joined_;  // images that convolutions write into, see Join
  std::int64_t batch_ = 1;
  const Stacking* stacking_ = nullptr;
  Stacking* proof_ = nullptr;
  std::set<ValueId> stacked_;  // while proving: values that differ from item to item
};

Session::Session(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::load(const std::string& path, at::Device device) {
  ASSIGN_OR_RETURN(Graph graph, load_graph(path));
  return create(std::move(graph), device);
}

Result<Session> Session::create(Graph graph, at::Device device) {
  const c10::NoGradGuard no_grad;
  ASSIGN_OR_RETURN(Program program, compile(std::move(graph), device));
  return Session(std::make_unique<const Program>(std::move(program)));
}

const std::vector<GraphInput>& Session::inputs() const { return program_->graph.inputs; }

std::string Session::input_name(std::size_t input) const {
  return printable(program_->graph.value_names[inputs().at(input).value]);
}

std::size_t Session::output_count() const { return program_->graph.outputs.size(); }

Status Session::check_inputs(const std::vector<at::Tensor>& tensors, bool any_batch) const {
  const auto wrong = [&](const std::string& why) {
    return Status(StatusCode::kInvalidArgument, program_->graph.file + ": " + why);
  };
  if (tensors.size() != inputs().size()) {
    return wrong("takes " + std::to_string(inputs().size()) + " inputs, not " +
                 std::to_string(tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const GraphInput& expected = inputs()[i];
    const at::Tensor& tensor = tensors[i];
    if (tensor.scalar_type() != scalar_type(expected.type)) {
      return wrong("input '" + input_name(i) + "' has to be " +
                   std::string(to_string(expected.type)));
    }
    if (expected.dims.empty() && !any_batch) continue;
    bool fits = tensor.dim() == static_cast<std::int64_t>(expected.dims.size());
    for (std::size_t axis = any_batch ? 1 : 0; fits && axis < expected.dims.size(); ++axis) {
      fits = expected.dims[axis] < 0 ||
             expected.dims[axis] == tensor.size(static_cast<std::int64_t>(axis));
    }
    if (!fits)
      return wrong("input '" + input_name(i) + "' does not have the shape that the graph declares");
    if (any_batch &&
        (tensor.dim() == 0 || tensor.size(0) == 0 || tensor.size(0) != tensors[0].size(0))) {
      return wrong("every input needs the same number of items, at least one");
    }
  }
  return {};
}

Result<std::vector<at::Tensor>> Session::run(const std::vector<at::Tensor>& inputs) {
  RETURN_IF_ERROR(check_inputs(inputs, /*any_batch=*/false));
  const c10::NoGradGuard no_grad;
  return Execution(*program_).run(inputs);
}

Result<std::vector<at::Tensor>> Session::run_batch(const std::vector<at::Tensor>& inputs) {
  RETURN_IF_ERROR(check_inputs(inputs, /*any_batch=*/true));
  const c10::NoGradGuard no_grad;
  const std::int64_t batch = inputs.at(0).size(0);
  const auto item = [&](std::int64_t index) {
    Tensors result;
    result.reserve(inputs.size());
    for (const at::Tensor& input : inputs) result.push_back(input.narrow(0, index, 1));
    return result;
  };
  std::vector<std::vector<std::int64_t>> shapes;
  shapes.reserve(inputs.size());
  for (const at::Tensor& input : inputs) shapes.push_back(input.sizes().slice(1).vec());
  auto [known, is_new] = stackings_.try_emplace(shapes);
  if (is_new) {
    Execution execution(*program_);
    execution.prove(known->second);
    auto outputs = execution.run(item(0));
    if (!outputs.ok()) stackings_.erase(known);
    if (!outputs.ok() || batch == 1) return outputs;
  }
  batch_obstacle_ = known->second.obstacle;
  if (batch == 1 || batch_obstacle_.empty()) {
    Execution execution(*program_);
    if (batch > 1) execution.stack(batch, known->second);
    return execution.run(inputs);
  }
  std::vector<Tensors> by_output(output_count());
  for (std::int64_t index = 0; index < batch; ++index) {
    ASSIGN_OR_RETURN(const Tensors outputs, Execution(*program_).run(item(index)));
    for (std::size_t i = 0; i < outputs.size(); ++i) by_output[i].push_back(outputs[i]);
  }
  Tensors joined;
  for (const Tensors& outputs : by_output) joined.push_back(at::cat(outputs, 0));
  return joined;
}

}  // namespace mimicfleet::onnx
