#include "coordinator/scheduler/eligibility.h"

#include <algorithm>

#include <fmt/format.h>

#include "jobs/abilities.h"

namespace mimicfleet::coordinator {
namespace {

enum class Loading { kCounts, kDoesNotCount };

constexpr std::size_t kNamedHosts = 8;  // in an error

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
  const auto found = std::find_if(
      task.host_failures.begin(), task.host_failures.end(),
      [&](const HostFailure& failure) { return failure.worker == worker.hello.worker; });
  return found == task.host_failures.end() ? nullptr : &*found;
}

// Whether it is, or may soon be, one that takes the task.
bool may_take(const Worker& worker, const Task& task) {
  return failure_of(worker, task) == nullptr &&
         (misfit(worker, task).empty() || may_yet_fit(worker, task));
}

bool holds(const State& state, const Worker& worker, const Task& encode) {
  if (!encode.result.latents) return false;
  const auto replicas = state.replicas.find(encode.result.latents->content);
  return replicas != state.replicas.end() && replicas->second.contains(worker.hello.worker);
}

template <typename Test>
bool all_needs(const State& state, const Task& task, Test test) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(),
                     [&](const TaskId& need) { return test(state.tasks.at(need)); });
}

bool can_have_inputs(const State& state, const Worker& worker, const Task& task) {
  return all_needs(state, task,
                   [&](const Task& encode) { return can_have(state, worker, encode, task); });
}

bool holds_inputs(const State& state, const Worker& worker, const Task& task) {
  return all_needs(state, task, [&](const Task& encode) { return holds(state, worker, encode); });
}

bool could_have_inputs(const State& state, const Worker& worker, const Task& task) {
  return all_needs(state, task,
                   [&](const Task& encode) { return could_have(state, worker, encode, task); });
}

// Whether a present decoder can fetch what this worker encodes.
bool is_in_reach(const State& state, const Worker& worker, const Task& encode) {
  if (!worker.data_port_is_local) return true;
  return std::all_of(encode.needed_by.begin(), encode.needed_by.end(), [&](const TaskId& id) {
    const Task& user = state.tasks.at(id);
    if (is_terminal(user.state) || (encode.spec.cache_latents && !user.spec.segments.empty()))
      return true;
    return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
      return reaches(entry.second, worker) && may_take(entry.second, user);
    });
  });
}

bool is_able(const State& state, const Worker& worker, const Task& task, Loading loading) {
  const bool fits =
      misfit(worker, task).empty() || (loading == Loading::kCounts && may_yet_fit(worker, task));
  return fits && failure_of(worker, task) == nullptr &&
         !is_set_aside(state, worker, task.spec.job) && can_have_inputs(state, worker, task);
}

template <typename Test>
bool another(const State& state, const Worker& worker, Test test) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    return entry.first != worker.hello.worker && test(entry.second);
  });
}

// No decoder can fetch its latents, but a decoder can fetch those of another worker.
bool leaves_it_to_one_in_reach(const State& state, const Worker& worker, const Task& task) {
  if (task.needed_by.empty() || is_in_reach(state, worker, task)) return false;
  return another(state, worker, [&](const Worker& other) {
    return other.hello.worker != task.failed_on && is_able(state, other, task, Loading::kCounts) &&
           is_in_reach(state, other, task);
  });
}

// After a worker could not fetch the inputs, workers that hold them go first.
bool waits_for_replica(const State& state, const Worker& worker, const Task& task) {
  if (task.losses == 0 || holds_inputs(state, worker, task)) return false;
  return another(state, worker, [&](const Worker& other) {
    return task.failed_on != other.hello.worker && holds_inputs(state, other, task) &&
           is_able(state, other, task, Loading::kCounts);
  });
}

}  // namespace

std::string place_of(const Worker& worker) {
  if (worker.hello.host.empty()) return worker.hello.name;
  return fmt::format("{} on {}", worker.hello.name, worker.hello.host);
}

std::string misfit(const Worker& worker, const Task& task) {
  const auto& hello = worker.hello;
  if (worker.state == jobs::WorkerState::kLoading) return "it still loads its models";
  if (worker.state != jobs::WorkerState::kReady || worker.drain || worker.stop)
    return "it takes no more tasks";
  if (!takes_kind(worker, task.spec.kind)) {
    return fmt::format("it was started without --kinds {}", to_string(task.spec.kind));
  }
  const bool has_models =
      std::any_of(hello.model_sets.begin(), hello.model_sets.end(),
                  [&](const auto& set) { return set.id == task.spec.model_set; });
  if (!has_models) return std::string(kLacksModels);
  if (task.spec.kind == TaskKind::kEncodeLatents) {
    const std::string lacking = jobs::lacking_ability(hello.abilities, task.spec.parameters,
                                                      task.spec.video, task.spec.reference);
    if (!lacking.empty()) {
      return fmt::format(
          "it cannot do {}: its device, its precision or its version is not the right one",
          lacking);
    }
  }
  const auto precision = task.spec.parameters.precision;
  if (precision != jobs::Precision::kAuto && to_string(precision) != hello.numerics.precision) {
    return fmt::format("it computes in {}, not in {}", hello.numerics.precision,
                       to_string(precision));
  }
  return "";
}

bool is_available(const State& state, const Task& encode, const Task& user) {
  if (encode.result.cached_latents && !user.spec.segments.empty()) return true;
  return encode.result.latents && state.replicas.contains(encode.result.latents->content);
}

bool reaches(const Worker& reader, const Worker& replica) {
  return !replica.data_port_is_local || replica.hello.host == reader.hello.host;
}

bool can_have(const State& state, const Worker& worker, const Task& encode, const Task& user) {
  if (holds(state, worker, encode)) return true;
  if (!is_available(state, encode, user)) return false;
  if (encode.result.latents) {
    const auto failed = state.cannot_fetch.find(encode.result.latents->content);
    if (failed != state.cannot_fetch.end() && failed->second.contains(worker.hello.worker))
      return false;
  }
  if (encode.result.cached_latents && !user.spec.segments.empty()) return true;
  const auto& replicas = state.replicas.at(encode.result.latents->content);
  return std::any_of(replicas.begin(), replicas.end(), [&](const WorkerId& replica) {
    return reaches(worker, state.workers.at(replica));
  });
}

bool is_set_aside(const State& state, const Worker& worker, JobId job) {
  const auto strikes = worker.strikes.find(job);
  return strikes != worker.strikes.end() &&
         strikes->second.tasks.size() >= state.config.max_strikes;
}

bool could_have(const State& state, const Worker& worker, const Task& encode, const Task& user) {
  if (can_have(state, worker, encode, user) || !is_available(state, encode, user)) return true;
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    const Worker& maker = entry.second;
    const bool fetchable = maker.hello.worker == worker.hello.worker || reaches(worker, maker);
    return fetchable && may_take(maker, encode);
  });
}

std::string why_out_of_reach(const State& state, const Worker& worker, const Task& encode) {
  const auto& latents = encode.result.latents;
  const auto replicas = latents ? state.replicas.find(latents->content) : state.replicas.end();
  if (replicas == state.replicas.end()) return "nobody holds them any more";
  const Worker& replica = state.workers.at(*replicas->second.begin());
  if (reaches(worker, replica)) return fmt::format("{} cannot fetch them", place_of(worker));
  return fmt::format(
      "{} does not reach {} of {}: start that worker with --advertise and its host's name",
      place_of(worker), replica.hello.data_endpoint, place_of(replica));
}

std::string lacks_latents(const State& state, const Worker& worker, const Task& task) {
  if (task.spec.needs.empty() || failure_of(worker, task) != nullptr ||
      !misfit(worker, task).empty())
    return "";
  for (const TaskId& need : task.spec.needs) {
    const Task& encode = state.tasks.at(need);
    if (!could_have(state, worker, encode, task)) return why_out_of_reach(state, worker, encode);
  }
  return "";
}

bool is_left(const State& state, const Worker& worker, const Task& task) {
  return may_take(worker, task) && could_have_inputs(state, worker, task);
}

std::vector<HostFailure> refusals(const State& state, const Task& task) {
  std::vector<HostFailure> all = task.host_failures;
  bool any_is_there = false;
  for (const auto& [id, worker] : state.workers) {
    if (is_left(state, worker, task)) return {};
    any_is_there = any_is_there || failure_of(worker, task) != nullptr;
    const std::string why = lacks_latents(state, worker, task);
    if (why.empty()) continue;
    any_is_there = true;
    all.push_back({id, worker.hello.name, "", Status(StatusCode::kFailedPrecondition, why)});
  }
  return any_is_there ? all : std::vector<HostFailure>();
}

std::string joint_message(const std::vector<HostFailure>& refusals) {
  std::vector<std::pair<std::string, std::string>> reasons;  // with their workers
  for (std::size_t i = 0; i < std::min(refusals.size(), kNamedHosts); ++i) {
    const std::string& message = refusals[i].status.message();
    const auto known = std::find_if(reasons.begin(), reasons.end(),
                                    [&](const auto& reason) { return reason.first == message; });
    if (known != reasons.end()) {
      known->second += ", " + refusals[i].where;
    } else {
      reasons.emplace_back(message, refusals[i].where);
    }
  }
  std::string text;
  for (const auto& [message, workers] : reasons) {
    text += fmt::format("{}{}", text.empty() ? "" : "; ", message);
    if (!workers.empty()) text += fmt::format(" ({})", workers);
  }
  if (refusals.size() > kNamedHosts)
    text += fmt::format("; and {} more", refusals.size() - kNamedHosts);
  return text;
}

Instant gives_up_at(const State& state, const Task& task) {
  const Job& job = state.jobs.at(task.spec.job);
  const bool misses_one =
      std::any_of(job.done_by.begin(), job.done_by.end(), [&](const std::string& name) {
        const bool is_there =
            std::any_of(state.workers.begin(), state.workers.end(),
                        [&](const auto& entry) { return entry.second.hello.name == name; });
        return !is_there && std::none_of(task.host_failures.begin(), task.host_failures.end(),
                                         [&](const HostFailure& failure) {
                                           return failure.worker_name == name;
                                         });
      });
  return task.askable_until +
         (misses_one ? state.config.graces_for_absent : 1) * state.config.refusal_grace;
}

bool anybody_is_able(const State& state, const Task& task) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
    return is_able(state, entry.second, task, Loading::kCounts);
  });
}

bool is_eligible(const State& state, const Worker& worker, const Task& task) {
  if (!misfit(worker, task).empty() || failure_of(worker, task) != nullptr) return false;
  const auto another_is_able = [&](Loading loading) {
    return another(state, worker,
                   [&](const Worker& other) { return is_able(state, other, task, loading); });
  };
  if (state.refused.contains(task.spec.id) && !could_have_inputs(state, worker, task)) return false;
  const bool doubtful =
      is_set_aside(state, worker, task.spec.job) || !can_have_inputs(state, worker, task);
  if (doubtful && another_is_able(Loading::kCounts)) return false;
  if (task.failed_on == worker.hello.worker && another_is_able(Loading::kDoesNotCount))
    return false;
  return !waits_for_replica(state, worker, task) && !leaves_it_to_one_in_reach(state, worker, task);
}

std::string reservation(const State& state, const Worker& worker, const Task& task) {
  if (const HostFailure* failure = failure_of(worker, task)) {
    return fmt::format("it could not do it: {}", failure->status.message());
  }
  if (is_set_aside(state, worker, task.spec.job)) {
    const Strikes& strikes = worker.strikes.at(task.spec.job);
    return fmt::format(
        "it gets no more of this job after {} tasks that its host could not do, the last: {}",
        strikes.tasks.size(), strikes.last.message());
  }
  if (!could_have_inputs(state, worker, task)) return "it reaches no worker that has the latents";
  if (!can_have_inputs(state, worker, task))
    return "it cannot fetch the latents from the worker that has them";
  if (leaves_it_to_one_in_reach(state, worker, task)) {
    return "it leaves it to a worker whose latents others can fetch";
  }
  return "";
}

}  // namespace mimicfleet::coordinator
