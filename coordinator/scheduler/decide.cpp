#include "coordinator/scheduler/decide.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/endpoint.h"
#include "coordinator/scheduler/transitions.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

// These codes are never about what a task is to make: the client saw the files and folders that it
// names.
bool is_of_host(const jobs::TaskFailed& failed) {
  const StatusCode code = failed.status.code();
  return failed.of_host || code == StatusCode::kNotFound ||
         code == StatusCode::kFailedPrecondition || code == StatusCode::kInputChanged;
}

// Handles one input; the overloads are the whole list of what can happen.
struct Handler {
  Transitions& change;
  State& state;
  Decision& decision;
  Instant now;

  void operator()(const JobSubmitted& input) const;
  void operator()(const CancelJob& input) const;
  void operator()(const RetryJob& input) const;
  void operator()(const jobs::WorkerHello& hello) const;
  void operator()(const jobs::WorkerHeartbeat& beat) const;
  void operator()(const jobs::TaskCompleted& done) const;
  void operator()(const jobs::TaskFailed& failed) const;
  void operator()(const jobs::WorkerGoodbye& goodbye) const;
  void operator()(const StopWorker& input) const;
  void operator()(const Tick&) const;

  // Until its next heartbeat tells how many more it would take.
  void takes_no_more(WorkerId id) const {
    const auto worker = state.workers.find(id);
    if (worker != state.workers.end()) worker->second.slots = 0;
  }

  // The task if `attempt` of `worker` is its running lease, else null.
  [[nodiscard]] Task* leased(WorkerId worker, const TaskAttempt& attempt) const {
    const auto found = state.tasks.find(attempt.task);
    if (found == state.tasks.end()) return nullptr;
    Task& task = found->second;
    const bool current = task.state == TaskState::kRunning && task.attempt == attempt.attempt &&
                         task.worker == worker;
    return current ? &task : nullptr;
  }
};

void Handler::operator()(const JobSubmitted& input) const {
  Job job = input.job;
  for (std::size_t i = 0; i < input.tasks.size(); ++i) {
    Task task;
    task.spec = input.tasks[i];
    task.position = i;
    task.wants = wanted_features(task.spec, job.models);
    job.tasks.push_back(task.spec.id);
    state.tasks.emplace(task.spec.id, std::move(task));
  }
  const JobId id = job.id;
  state.jobs.emplace(id, std::move(job));
  for (const auto& spec : input.tasks) count_task(state, state.tasks.at(spec.id));
  decision.changed_jobs.push_back(id);
  change.log("job_submitted", state.jobs.at(id), fmt::format("{} tasks", input.tasks.size()));
  for (const auto& spec : input.tasks) {
    for (const TaskId& need : spec.needs) state.tasks.at(need).needed_by.push_back(spec.id);
  }
  for (const auto& spec : input.tasks) change.admit(state.tasks.at(spec.id));
  change.end_job_if_over(state.jobs.at(id));
}

void Handler::operator()(const CancelJob& input) const {
  const auto found = state.jobs.find(input.job);
  if (found == state.jobs.end()) {
    decision.reply = Status(StatusCode::kNotFound, "no such job");
    return;
  }
  for (const TaskId& id : found->second.tasks) {
    Task& task = state.tasks.at(id);
    if (!is_terminal(task.state)) change.cancel(task);
  }
  change.end_job_if_over(found->second);
}

void Handler::operator()(const RetryJob& input) const {
  const auto found = state.jobs.find(input.job);
  if (found == state.jobs.end()) {
    decision.reply = Status(StatusCode::kNotFound, "no such job");
    return;
  }
  for (auto& [id, worker] : state.workers) worker.strikes.erase(input.job);
  if (found->second.counts.failed + found->second.counts.cancelled == 0)
    return;  // else it ended once more
  found->second.ended = false;
  decision.changed_jobs.push_back(input.job);
  for (const TaskId& id : found->second.tasks) {
    Task& task = state.tasks.at(id);
    if (task.state != TaskState::kFailed && task.state != TaskState::kCancelled) continue;
    task.failures = 0;
    task.recomputes = 0;
    task.losses = 0;
    change.admit(task);
    change.log("task_requeued", task, "retried by a user");
  }
  change.end_job_if_over(found->second);
}

void Handler::operator()(const jobs::WorkerHello& hello) const {
  auto [place, is_new] = state.workers.try_emplace(hello.worker);
  Worker& worker = place->second;
  if (is_new) worker.joined = now;
  worker.hello = hello;
  worker.data_port_is_local = is_local_endpoint(hello.data_endpoint);
  worker.last_heard = now;
  change.forget_host_failures(worker);  // what was wrong with its host may be right now
  // Before it has loaded its models it only says what it was started with.
  if (is_new) change.log("worker_joined", worker, hello.model_sets.empty() ? "" : hello.device);
  worker.hello.features.clear();  // known to `affinity`
  for (const auto& artefact : hello.artefacts) change.note_holder(artefact, hello.worker);
  for (const auto& feature : hello.features) {
    state.affinity.note(feature.tag, hello.worker, feature.made_seconds);
  }
  for (const auto& running : hello.running) {  // after a restart of ours: take the lease up again
    if (Task* task = leased(hello.worker, {running.task, running.attempt})) {
      worker.leases.insert(running.task);
      task->lease_expires = now + state.config.lease;
    }
  }
}

void Handler::operator()(const jobs::WorkerHeartbeat& beat) const {
  const auto found = state.workers.find(beat.worker);
  if (found == state.workers.end()) {
    decision.reply = Status(StatusCode::kNotFound, "unknown worker: say hello first");
    return;
  }
  Worker& worker = found->second;
  worker.last_heard = now;
  if (beat.state == jobs::WorkerState::kReady && worker.state != beat.state)
    change.log("worker_ready", worker, worker.hello.device);
  worker.state = beat.state;
  std::set<TaskId> listed;
  std::uint32_t taken = 0;  // slots
  for (const auto& progress : beat.running) {
    Task* task = leased(beat.worker, {progress.task, progress.attempt});
    if (task == nullptr) {
      decision.revoked.push_back({progress.task, progress.attempt});
      continue;
    }
    listed.insert(progress.task);
    if (jobs::takes_slot(progress.stage)) ++taken;
    worker.leases.insert(progress.task);
    change.renew(*task, progress);
  }
  // What is not leased any more takes no slot either.
  worker.slots = taken + beat.free_slots;
  const std::set<TaskId> held = worker.leases;
  for (const TaskId& id : held) {
    Task& task = state.tasks.at(id);
    if (listed.contains(id) || now - task.leased_at < state.config.grant_arrival) continue;
    change.hand_back_unstarted(task);
  }
}

void Handler::operator()(const jobs::TaskCompleted& done) const {
  if (Task* task = leased(done.worker, done.attempt)) {
    change.commit(*task, done.result);
    return;
  }
  const auto found = state.tasks.find(done.attempt.task);
  if (found == state.tasks.end()) {
    decision.reply = Status(StatusCode::kNotFound, "no such task");
    return;
  }
  const Task& task = found->second;
  const bool repeated = task.state == TaskState::kDone && task.attempt == done.attempt.attempt &&
                        task.worker == done.worker;
  if (repeated) return;
  change.log("stale_result", task, fmt::format("attempt {} came too late", done.attempt.attempt));
  decision.reply = Status(StatusCode::kFailedPrecondition,
                          fmt::format("attempt {} is not current: attempt {} is {}",
                                      done.attempt.attempt, task.attempt, to_string(task.state)));
}

void Handler::operator()(const jobs::TaskFailed& failed) const {
  Task* task = leased(failed.worker, failed.attempt);
  if (task == nullptr) return;  // told before, or not its any more: nothing changes
  if (failed.released) {
    change.log("lease_released", *task, failed.status.message());
    change.release(*task);
    takes_no_more(failed.worker);
  } else if (is_of_host(failed)) {
    change.fail_on_host(*task, failed.status);
  } else if (!failed.lost_inputs.empty()) {
    change.lose_inputs(*task, failed.lost_inputs, failed.status);
  } else {
    change.fail(*task, failed.status);
  }
}

void Handler::operator()(const jobs::WorkerGoodbye& goodbye) const {
  const auto found = state.workers.find(goodbye.worker);
  if (found == state.workers.end()) return;
  change.log("worker_left", found->second, "");
  change.forget_worker(found->second, /*lost=*/false);
}

void Handler::operator()(const StopWorker& input) const {
  const auto found = state.workers.find(input.worker);
  if (found == state.workers.end()) {
    decision.reply = Status(StatusCode::kNotFound, "no such worker");
    return;
  }
  (input.drain ? found->second.drain : found->second.stop) = true;
}

void Handler::operator()(const Tick&) const {
  // A long gap between ticks means that we did not run, not that the workers were silent.
  const Duration gap = now - state.last_tick - 4 * state.config.tick;
  const bool paused = state.last_tick != Instant{} && gap > std::chrono::seconds(1);
  state.last_tick = now;
  if (paused) change.postpone(gap);
  std::vector<WorkerId> lost;
  for (const auto& [id, worker] : state.workers) {
    if (now - worker.last_heard > state.config.lease) lost.push_back(id);
  }
  for (const WorkerId& id : lost) {
    change.log("worker_lost", state.workers.at(id), "no heartbeat");
    change.forget_worker(state.workers.at(id), /*lost=*/true);
  }
  change.expire_leases();
  change.give_up_refused();
}

}  // namespace

Decision decide(State& state, const Input& input, Instant now) {
  Decision decision;
  Transitions change(state, decision, now);
  std::visit(Handler{change, state, decision, now}, input);
  change.dispatch();
  decision.tally.jobs_changed = !decision.changed_jobs.empty();
  return decision;
}

void restore(State& state, std::vector<Job> jobs, std::vector<Task> tasks, Instant now) {
  state.holders_known_at = now + state.config.lease;
  for (auto& job : jobs) {
    state.next_job_number = std::max(state.next_job_number, job.number + 1);
    state.jobs.emplace(job.id, std::move(job));
  }
  std::sort(tasks.begin(), tasks.end(),
            [](const Task& a, const Task& b) { return a.position < b.position; });
  for (auto& task : tasks) {
    if (!state.jobs.contains(task.spec.job)) continue;
    Job& job = state.jobs.at(task.spec.job);
    job.tasks.push_back(task.spec.id);
    if (task.state != TaskState::kDone) task.wants = wanted_features(task.spec, job.models);
    state.tasks.emplace(task.spec.id, std::move(task));
  }
  for (auto& [id, task] : state.tasks) {
    for (const TaskId& need : task.spec.needs) {
      if (const auto found = state.tasks.find(need); found != state.tasks.end())
        found->second.needed_by.push_back(id);
    }
    // A job is stored before the scheduler hears of it: a coordinator that ended then left its
    // tasks waiting.
    if (task.state == TaskState::kWaiting && needs_are_done(state, task))
      task.state = TaskState::kReady;
    Job& job = state.jobs.at(task.spec.job);
    count_task(state, task);
    if (task.state == TaskState::kDone) job.done_by.insert(task.worker_name);
    task.leased_at = task.progressed_at = now;
    task.lease_expires = now + 2 * state.config.lease;
    if (task.state == TaskState::kReady) enqueue(state, task, now);
    if (task.state == TaskState::kRunning) state.running.insert(id);
  }
}

}  // namespace mimicfleet::coordinator
