#include <algorithm>

#include <fmt/format.h>

#include "coordinator/scheduler/eligibility.h"
#include "coordinator/scheduler/transitions.h"

// What becomes of a task whose attempt ended for a reason that another worker may not have: its
// host lacks something, or it could not fetch the inputs.
namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kRememberedJobs =
    64;  // of a worker that could not do their tasks, once they ended

// Trying again can help if it could on one of the hosts.
Status joint_status(const std::vector<HostFailure>& failures) {
  const auto passing =
      std::find_if(failures.begin(), failures.end(),
                   [](const HostFailure& failure) { return failure.status.retryable(); });
  const Status& first = passing == failures.end() ? failures.front().status : passing->status;
  return {first.code(), joint_message(failures)};
}

}  // namespace

void Transitions::fail_on_host(Task& task, const Status& status) {
  task.error = status;
  log("host_failed", task, fmt::format("{}: {}", to_string(status.code()), status.message()));
  Worker& worker = state_.workers.at(task.worker);
  const std::string where = place_of(worker);
  const auto said_before = std::erase_if(task.host_failures, [&](const HostFailure& failure) {
    return failure.where == where &&
           !state_.workers.contains(failure.worker);  // it was started anew
  });
  if (said_before == 0) task.askable_until = now_;
  task.host_failures.push_back({task.worker, worker.hello.name, where, status});
  state_.refused.insert(task.spec.id);
  note_strike(worker, task, status);
  release(task);
  give_up_if_refused_by_all(task);
}

void Transitions::note_strike(Worker& worker, const Task& task, const Status& status) {
  if (worker.strikes.size() >= kRememberedJobs) {
    std::erase_if(worker.strikes,
                  [&](const auto& entry) { return state_.jobs.at(entry.first).ended; });
  }
  Strikes& strikes = worker.strikes[task.spec.job];
  const bool was_set_aside = is_set_aside(state_, worker, task.spec.job);
  strikes.tasks.insert(task.spec.id);
  strikes.last = status;
  if (was_set_aside || !is_set_aside(state_, worker, task.spec.job)) return;
  jobs::Event& event = add_event(
      "worker_set_aside",
      fmt::format("its host could not do {} tasks of this job: it gets no more of them while "
                  "another worker can; the last: {}",
                  strikes.tasks.size(), status.message()));
  event.job = state_.jobs.at(task.spec.job).number;
  event.worker = worker.hello.name;
  event.host = worker.hello.host;
}

// A worker that was started anew and had refused the task before is asked again, but is no new
// hope.
void Transitions::note_who_is_left(Task& task) {
  const auto refused_before = [&](const Worker& worker) {
    const std::string where = place_of(worker);
    return std::any_of(task.host_failures.begin(), task.host_failures.end(),
                       [&](const HostFailure& failure) { return failure.where == where; });
  };
  const bool anybody =
      std::any_of(state_.workers.begin(), state_.workers.end(), [&](const auto& entry) {
        return is_left(state_, entry.second, task) && !refused_before(entry.second);
      });
  if (anybody) task.askable_until = now_;
}

// When all who are there have refused it, and nobody else has come, it was not their fault but the
// task's.
void Transitions::give_up_if_refused_by_all(Task& task) {
  if (task.state != TaskState::kReady) return;
  note_who_is_left(task);
  if (now_ < gives_up_at(state_, task)) return;
  const std::vector<HostFailure> reasons = refusals(state_, task);
  if (reasons.empty()) return;  // it waits, as any task does
  const Status status = joint_status(reasons);
  forgive(task);
  fail_attempt(task, status);
}

void Transitions::give_up_refused() {
  const std::set<TaskId> refused = state_.refused;
  for (const TaskId& id : refused) give_up_if_refused_by_all(state_.tasks.at(id));
}

void Transitions::forgive(Task& task) {
  for (const auto& failure : task.host_failures) {
    const auto worker = state_.workers.find(failure.worker);
    if (worker == state_.workers.end()) continue;
    const auto strikes = worker->second.strikes.find(task.spec.job);
    if (strikes == worker->second.strikes.end()) continue;
    strikes->second.tasks.erase(task.spec.id);
    if (strikes->second.tasks.empty()) worker->second.strikes.erase(strikes);
  }
  forget_refusals(task);
}

void Transitions::forget_refusals(Task& task) {
  task.host_failures.clear();
  state_.refused.erase(task.spec.id);
}

// It did a task of a job: its host can do that kind.
void Transitions::forget_strikes(Worker& worker, const Task& done) {
  const auto strikes = worker.strikes.find(done.spec.job);
  if (strikes == worker.strikes.end()) return;
  std::erase_if(strikes->second.tasks,
                [&](const TaskId& id) { return state_.tasks.at(id).spec.kind == done.spec.kind; });
  if (strikes->second.tasks.empty()) worker.strikes.erase(strikes);
}

void Transitions::forget_host_failures(Worker& worker) {
  worker.strikes.clear();
  const std::set<TaskId> refused = state_.refused;
  for (const TaskId& id : refused) {
    Task& task = state_.tasks.at(id);
    const bool forgets = std::erase_if(task.host_failures, [&](const HostFailure& failure) {
                           return failure.worker == worker.hello.worker;
                         }) > 0;
    if (forgets && task.host_failures.empty()) state_.refused.erase(id);
  }
}

// Which of what a task needs has one of these contents.
std::vector<TaskId> Transitions::needs_with(const Task& task,
                                            const std::vector<Digest>& contents) const {
  std::vector<TaskId> found;
  for (const TaskId& need : task.spec.needs) {
    const auto& latents = state_.tasks.at(need).result.latents;
    const bool named =
        latents && std::find(contents.begin(), contents.end(), latents->content) != contents.end();
    if (named && std::find(found.begin(), found.end(), need) == found.end()) found.push_back(need);
  }
  return found;
}

void Transitions::lose_inputs(Task& task, const std::vector<Digest>& contents,
                              const Status& status) {
  const std::vector<TaskId> lost = needs_with(task, contents);
  for (const Digest& content : contents) {
    if (!lost.empty() || state_.holders.contains(content)) note_cannot_fetch(content, task.worker);
  }
  if (lost.empty()) return fail(task, status);  // nothing that it was given
  log("inputs_lost", task, status.message());
  ++task.losses;
  task.error = status;
  task.failed_on = task.worker;
  task.not_before = now_ + task.losses * state_.config.retry_delay;
  task.pauses_after = fmt::format("latents that could not be fetched, time {} of {}", task.losses,
                                  state_.config.max_attempts);
  release(task);
  const bool for_all = task.losses >= state_.config.max_attempts || !anybody_is_able(state_, task);
  if (!for_all) return;
  for (const TaskId& id : lost) {  // from another one they can perhaps be fetched
    Task& encode = state_.tasks.at(id);
    encode.failed_on = encode.worker;
  }
  make_again(task, lost, status.message(), /*all_left=*/false);
}

// That a worker could not get it does not mean that others cannot; but its own copy is gone.
void Transitions::note_cannot_fetch(const Digest& content, WorkerId worker) {
  state_.cannot_fetch[content].insert(worker);
  const auto holders = state_.holders.find(content);
  if (holders == state_.holders.end()) return;
  holders->second.erase(worker);
  if (holders->second.empty()) state_.holders.erase(holders);
}

void Transitions::make_again(Task& task, const std::vector<TaskId>& encodes,
                             const std::string& reason, bool all_left) {
  task.losses = 0;
  task.not_before = now_;
  for (const TaskId& id : encodes) {
    Task& encode = state_.tasks.at(id);
    if (encode.state != TaskState::kDone) continue;
    if (!all_left) ++encode.recomputes;
    if (encode.recomputes > state_.config.max_attempts) {
      const Status status(StatusCode::kUnavailable,
                          "its latents were lost again and again; the last time: " + reason);
      log("task_failed", encode, fmt::format("{}: {}", to_string(status.code()), status.message()));
      fail_for_good(encode, status);
      return;
    }
    admit(encode);
    log("task_requeued", encode, "its latents are made again: " + reason);
  }
  if (!is_terminal(task.state)) admit(task);
}

// Made again where it was made, they would be as far from this worker as they are now.
void Transitions::note_out_of_reach(Task& task, const Worker& worker, const std::string& why) {
  if (!state_.refused.insert(task.spec.id).second) return;
  task.askable_until = now_;
  task.error = Status(StatusCode::kFailedPrecondition, why);
  jobs::Event& event = log("inputs_lost", task, why);
  event.worker = worker.hello.name;
  event.host = worker.hello.host;
  give_up_if_refused_by_all(task);
}

bool Transitions::inputs_available(Task& task, const Worker& worker) {
  std::vector<TaskId> lost;
  for (const TaskId& need : task.spec.needs) {
    const Task& encode = state_.tasks.at(need);
    if (can_have(state_, worker, encode, task)) continue;
    if (!could_have(state_, worker, encode, task)) {
      note_out_of_reach(task, worker, why_out_of_reach(state_, worker, encode));
      return false;
    }
    lost.push_back(need);
  }
  if (lost.empty()) return true;
  const bool all_left = std::none_of(lost.begin(), lost.end(), [&](const TaskId& id) {
    return is_available(state_, state_.tasks.at(id), task);
  });
  make_again(task, lost, why_out_of_reach(state_, worker, state_.tasks.at(lost.front())), all_left);
  return false;
}

}  // namespace mimicfleet::coordinator
