#include "coordinator/scheduler/placement.h"

#include <algorithm>

#include <fmt/format.h>

namespace mimicfleet::coordinator {
namespace {

// How far beyond the first ready task one looks for a better match.
constexpr int kLookAhead = 256;

bool holds_inputs(const State& state, const Worker& worker, const Task& task) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(), [&](const TaskId& need) {
    const auto& latents = state.tasks.at(need).result.latents;
    if (!latents) return false;
    const auto holders = state.holders.find(latents->content);
    return holders != state.holders.end() && holders->second.contains(worker.hello.worker);
  });
}

bool inputs_held(const State& state, const Task& task) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(),
                     [&](const TaskId& need) { return is_held(state, state.tasks.at(need)); });
}

bool another_fits(const State& state, const Worker& worker, const Task& task) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    return entry.first != worker.hello.worker && misfit(entry.second, task).empty();
  });
}

}  // namespace

std::string misfit(const Worker& worker, const Task& task) {
  const auto& hello = worker.hello;
  if (worker.state == jobs::WorkerState::kLoading) return "it still loads its models";
  if (worker.state != jobs::WorkerState::kReady || worker.drain || worker.stop)
    return "it takes no more tasks";
  if (std::find(hello.kinds.begin(), hello.kinds.end(), task.spec.kind) == hello.kinds.end()) {
    return fmt::format("it was started without --kinds {}", to_string(task.spec.kind));
  }
  const bool has_models = std::any_of(hello.model_sets.begin(), hello.model_sets.end(),
                                      [&](const auto& set) { return set.id == task.spec.model_set; });
  if (!has_models) return "it does not have the models";
  const auto precision = task.spec.parameters.precision;
  if (precision != jobs::Precision::kAuto && to_string(precision) != hello.numerics.precision) {
    return fmt::format("it computes in {}, not in {}", hello.numerics.precision, to_string(precision));
  }
  return "";
}

bool is_held(const State& state, const Task& encode) {
  return encode.result.latents && state.holders.contains(encode.result.latents->content);
}

std::uint32_t free_slots(const Worker& worker) {
  if (worker.state != jobs::WorkerState::kReady || worker.drain || worker.stop) return 0;
  const auto held = static_cast<std::uint32_t>(worker.leases.size());
  return worker.slots > held ? worker.slots - held : 0;
}

std::optional<TaskId> next_task(const State& state, const Worker& worker, Instant now) {
  std::optional<TaskId> first;
  int looked = 0;
  for (const auto& order : state.ready) {
    if (++looked > kLookAhead && first) break;
    const Task& task = state.tasks.at(order.task);
    if (task.not_before > now || !misfit(worker, task).empty()) continue;
    if (task.failed_on == worker.hello.worker && another_fits(state, worker, task)) continue;
    if (now < state.holders_known_at && !inputs_held(state, task)) continue;
    if (order.kind == TaskKind::kDecodeVideo && holds_inputs(state, worker, task)) return order.task;
    if (!first) first = order.task;
  }
  return first;
}

}  // namespace mimicfleet::coordinator
