#include "coordinator/scheduler/eligibility.h"

#include <algorithm>

#include <fmt/format.h>

#include "jobs/abilities.h"

namespace mimicfleet::coordinator {
namespace {

enum class Loading { kCounts, kDoesNotCount };

bool takes_kind(const Worker& worker, TaskKind kind) {
  const auto& kinds = worker.hello.kinds;
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

// Nobody knows yet with which models and in which precision.
bool may_yet_fit(const Worker& worker, const Task& task) {
  return worker.state == jobs::WorkerState::kLoading && !worker.drain && !worker.stop &&
         takes_kind(worker, task.spec.kind);
}

const HostFailure* failure_of(const Worker& worker, const Task& task) {
  const auto found =
      std::find_if(task.host_failures.begin(), task.host_failures.end(),
                   [&](const HostFailure& failure) { return failure.worker == worker.hello.worker; });
  return found == task.host_failures.end() ? nullptr : &*found;
}

bool holds(const State& state, const Worker& worker, const Task& encode) {
  if (!encode.result.latents) return false;
  const auto holders = state.holders.find(encode.result.latents->content);
  return holders != state.holders.end() && holders->second.contains(worker.hello.worker);
}

template <typename Test>
bool all_needs(const State& state, const Task& task, Test test) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(),
                     [&](const TaskId& need) { return test(state.tasks.at(need)); });
}

bool can_have_inputs(const State& state, const Worker& worker, const Task& task) {
  return all_needs(state, task, [&](const Task& encode) { return can_have(state, worker, encode, task); });
}

bool holds_inputs(const State& state, const Worker& worker, const Task& task) {
  return all_needs(state, task, [&](const Task& encode) { return holds(state, worker, encode); });
}

bool is_able(const State& state, const Worker& worker, const Task& task, Loading loading) {
  const bool fits =
      misfit(worker, task).empty() || (loading == Loading::kCounts && may_yet_fit(worker, task));
  return fits && failure_of(worker, task) == nullptr && !is_set_aside(state, worker, task.spec.job) &&
         can_have_inputs(state, worker, task);
}

template <typename Test>
bool another(const State& state, const Worker& worker, Test test) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    return entry.first != worker.hello.worker && test(entry.second);
  });
}

// Once somebody could not fetch the inputs, those who hold them go first.
bool waits_for_holder(const State& state, const Worker& worker, const Task& task) {
  if (task.losses == 0 || holds_inputs(state, worker, task)) return false;
  return another(state, worker, [&](const Worker& other) {
    return task.failed_on != other.hello.worker && holds_inputs(state, other, task) &&
           is_able(state, other, task, Loading::kCounts);
  });
}

}  // namespace

std::string misfit(const Worker& worker, const Task& task) {
  const auto& hello = worker.hello;
  if (worker.state == jobs::WorkerState::kLoading) return "it still loads its models";
  if (worker.state != jobs::WorkerState::kReady || worker.drain || worker.stop)
    return "it takes no more tasks";
  if (!takes_kind(worker, task.spec.kind)) {
    return fmt::format("it was started without --kinds {}", to_string(task.spec.kind));
  }
  const bool has_models = std::any_of(hello.model_sets.begin(), hello.model_sets.end(),
                                      [&](const auto& set) { return set.id == task.spec.model_set; });
  if (!has_models) return "it does not have the models";
  if (task.spec.kind == TaskKind::kEncodeLatents) {
    const std::string lacking =
        jobs::lacking_ability(hello.abilities, task.spec.parameters, task.spec.video, task.spec.reference);
    if (!lacking.empty()) {
      return fmt::format("it cannot do {}: its device, its precision or its version is not the right one",
                         lacking);
    }
  }
  const auto precision = task.spec.parameters.precision;
  if (precision != jobs::Precision::kAuto && to_string(precision) != hello.numerics.precision) {
    return fmt::format("it computes in {}, not in {}", hello.numerics.precision, to_string(precision));
  }
  return "";
}

bool is_available(const State& state, const Task& encode, const Task& user) {
  if (encode.result.saved_latents && !user.spec.segments.empty()) return true;
  return encode.result.latents && state.holders.contains(encode.result.latents->content);
}

bool reaches(const Worker& reader, const Worker& holder) {
  return !holder.data_port_is_local || holder.hello.host == reader.hello.host;
}

bool can_have(const State& state, const Worker& worker, const Task& encode, const Task& user) {
  if (holds(state, worker, encode)) return true;
  if (!is_available(state, encode, user)) return false;
  if (encode.result.latents) {
    const auto failed = state.cannot_fetch.find(encode.result.latents->content);
    if (failed != state.cannot_fetch.end() && failed->second.contains(worker.hello.worker)) return false;
  }
  if (encode.result.saved_latents && !user.spec.segments.empty()) return true;
  const auto& holders = state.holders.at(encode.result.latents->content);
  return std::any_of(holders.begin(), holders.end(),
                     [&](const WorkerId& holder) { return reaches(worker, state.workers.at(holder)); });
}

bool is_set_aside(const State& state, const Worker& worker, JobId job) {
  const auto strikes = worker.strikes.find(job);
  return strikes != worker.strikes.end() && strikes->second.tasks.size() >= state.config.max_strikes;
}

bool is_left(const Worker& worker, const Task& task) {
  return failure_of(worker, task) == nullptr && (misfit(worker, task).empty() || may_yet_fit(worker, task));
}

bool anybody_is_able(const State& state, const Task& task) {
  return std::any_of(state.workers.begin(), state.workers.end(),
                     [&](const auto& entry) { return is_able(state, entry.second, task, Loading::kCounts); });
}

bool is_eligible(const State& state, const Worker& worker, const Task& task) {
  if (!misfit(worker, task).empty() || failure_of(worker, task) != nullptr) return false;
  const auto another_is_able = [&](Loading loading) {
    return another(state, worker, [&](const Worker& other) { return is_able(state, other, task, loading); });
  };
  const bool doubtful = is_set_aside(state, worker, task.spec.job) || !can_have_inputs(state, worker, task);
  if (doubtful && another_is_able(Loading::kCounts)) return false;
  if (task.failed_on == worker.hello.worker && another_is_able(Loading::kDoesNotCount)) return false;
  return !waits_for_holder(state, worker, task);
}

std::string reservation(const State& state, const Worker& worker, const Task& task) {
  if (const HostFailure* failure = failure_of(worker, task)) {
    return fmt::format("it could not do it: {}", failure->status.message());
  }
  if (is_set_aside(state, worker, task.spec.job)) {
    const Strikes& strikes = worker.strikes.at(task.spec.job);
    return fmt::format("it gets no more of this job after {} tasks that its host could not do, the last: {}",
                       strikes.tasks.size(), strikes.last.message());
  }
  if (!can_have_inputs(state, worker, task))
    return "it cannot fetch the latents from the worker that has them";
  return "";
}

}  // namespace mimicfleet::coordinator
