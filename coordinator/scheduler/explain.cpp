#include <algorithm>

#include <fmt/format.h>

#include "coordinator/scheduler/decide.h"
#include "coordinator/scheduler/placement.h"

namespace mimicfleet::coordinator {
namespace {

// Why a free worker does not take a task; empty if that is not so.
std::string explain_affinity(const State& state, const Task& task, Instant now) {
  const Place best = best_place(state, task);
  if (best.worker.is_nil() || state.config.affinity == 0) return "";
  const bool is_encode = task.spec.kind == TaskKind::kEncodeLatents;
  Instant opens{};
  for (const auto& [id, worker] : state.workers) {
    if (id == best.worker || free_slots(worker) == 0 || !misfit(worker, task).empty()) continue;
    const Instant open = open_to(state, worker, task);
    if (open > now) opens = opens == Instant{} ? open : std::min(opens, open);
  }
  if (opens == Instant{}) return "";
  return fmt::format(
      "waits for {}, which has its {} (another worker would take {:.1f} s longer); in {:.1f} s "
      "others may "
      "take it",
      state.workers.at(best.worker).hello.name, is_encode ? "features in the cache" : "latents",
      best.worth_seconds, to_seconds(opens - now));
}

// Why the worker is not asked for the task; empty if it is.
std::string why_not(const State& state, const Worker& worker, const Task& task) {
  const std::string reason = misfit(worker, task);
  if (reason == kLacksModels) {
    const auto& models = state.jobs.at(task.spec.job).models;
    return fmt::format("{} {} ({:.8})", reason, models.name, models.id.hex());
  }
  return reason.empty() ? reservation(state, worker, task) : reason;
}

std::string explain_ready(const State& state, const Task& task, Instant now) {
  if (task.not_before > now) {
    return fmt::format("starts again in {:.0f} s, after {}: {}", to_seconds(task.not_before - now),
                       task.pauses_after, task.error.message());
  }
  if (state.workers.empty())
    return "no worker is there: start one with `worker --coordinator ENDPOINT`";
  std::string misfits;
  std::size_t fitting = 0;
  for (const auto& [id, worker] : state.workers) {
    const std::string reason = why_not(state, worker, task);
    if (reason.empty()) {
      ++fitting;
    } else {
      misfits += fmt::format("; {}: {}", worker.hello.name, reason);
    }
  }
  const auto reasons = refusals(state, task);
  if (state.refused.contains(task.spec.id) && !reasons.empty()) {
    const Duration left = std::max(gives_up_at(state, task) - now, Duration());
    return fmt::format("{}: {}; waiting {:.0f} s for another worker",
                       task.host_failures.empty() ? "no worker can have its latents"
                                                  : "every worker's host refused it",
                       joint_message(reasons), to_seconds(left));
  }
  if (fitting == 0) return "no worker can take it" + misfits;
  const std::string reserved = explain_affinity(state, task, now);
  if (!reserved.empty()) return "in the queue; " + reserved + misfits;
  return fmt::format("in the queue; {} of {} workers can take it, all busy now{}", fitting,
                     state.workers.size(), misfits);
}

// For each feature of a finished encode: hit, miss or damaged.
std::string explain_features(const Task& task) {
  std::string text;
  for (const auto& use : task.result.features) {
    const bool unasked = use.outcome == jobs::FeatureOutcome::kUnasked;
    text += fmt::format("{} {}: {}", text.empty() ? "; feature cache:" : ",", to_string(use.kind),
                        unasked ? "not asked" : to_string(use.outcome));
  }
  return text;
}

std::string explain_waiting(const State& state, const Task& task) {
  for (const TaskId& need : task.spec.needs) {
    const Task& other = state.tasks.at(need);
    if (other.state != TaskState::kDone) {
      return fmt::format("waits for {} of {}, which is {}", to_string(other.spec.kind),
                         other.spec.name, to_string(other.state));
    }
  }
  return "waits for its inputs";
}

}  // namespace

bool is_stuck(const State& state, const Task& task) {
  if (task.state == TaskState::kWaiting) {
    return std::any_of(task.spec.needs.begin(), task.spec.needs.end(),
                       [&](const TaskId& need) { return is_stuck(state, state.tasks.at(need)); });
  }
  return task.state == TaskState::kReady &&
         std::none_of(state.workers.begin(), state.workers.end(),
                      [&](const auto& entry) { return is_left(state, entry.second, task); });
}

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
      return fmt::format("done by {} (attempt {}){}", task.worker_name, task.attempt,
                         explain_features(task));
    case TaskState::kFailed:
      return fmt::format("failed: {}", task.error.message());
    case TaskState::kCancelled:
      return "cancelled by a user";
  }
  return "";
}

}  // namespace mimicfleet::coordinator
