#include <fmt/format.h>

#include "coordinator/scheduler/decide.h"
#include "coordinator/scheduler/placement.h"

namespace mimicfleet::coordinator {
namespace {

std::string explain_ready(const State& state, const Task& task, Instant now) {
  if (task.not_before > now) {
    return fmt::format("starts again in {:.0f} s, after failure {} of {}: {}",
                       to_seconds(task.not_before - now), task.failures, state.config.max_attempts,
                       task.error.message());
  }
  if (state.workers.empty()) return "no worker is there: start one with `worker --coordinator ENDPOINT`";
  std::string misfits;
  std::size_t fitting = 0;
  for (const auto& [id, worker] : state.workers) {
    const std::string reason = misfit(worker, task);
    if (reason.empty()) {
      ++fitting;
    } else {
      misfits += fmt::format("; {}: {}", worker.hello.name, reason);
    }
  }
  if (fitting == 0) return "no worker can take it" + misfits;
  return fmt::format("in the queue; {} of {} workers can take it, all busy now{}", fitting,
                     state.workers.size(), misfits);
}

std::string explain_waiting(const State& state, const Task& task) {
  for (const TaskId& need : task.spec.needs) {
    const Task& other = state.tasks.at(need);
    if (other.state != TaskState::kDone) {
      return fmt::format("waits for {} of {}, which is {}", to_string(other.spec.kind), other.spec.name,
                         to_string(other.state));
    }
  }
  return "waits for its inputs";
}

}  // namespace

std::string explain(const State& state, const Task& task, Instant now) {
  switch (task.state) {
    case TaskState::kWaiting:
      return explain_waiting(state, task);
    case TaskState::kReady:
      return explain_ready(state, task, now);
    case TaskState::kRunning:
      return fmt::format("runs on {} (attempt {}){}", task.worker_name, task.attempt,
                         task.progress.stage.empty() ? "" : ", " + task.progress.stage);
    case TaskState::kDone:
      return fmt::format("done by {} (attempt {})", task.worker_name, task.attempt);
    case TaskState::kFailed:
      return fmt::format("failed: {}", task.error.message());
    case TaskState::kCancelled:
      return "cancelled by a user";
  }
  return "";
}

}  // namespace mimicfleet::coordinator
