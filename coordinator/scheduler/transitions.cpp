#include "coordinator/scheduler/transitions.h"

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/scheduler/placement.h"
#include "jobs/keys.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {

std::uint32_t& count(jobs::TaskCounts& counts, TaskState state) {
  switch (state) {
    case TaskState::kWaiting:
      return counts.waiting;
    case TaskState::kReady:
      return counts.ready;
    case TaskState::kRunning:
      return counts.running;
    case TaskState::kDone:
      return counts.done;
    case TaskState::kFailed:
      return counts.failed;
    case TaskState::kCancelled:
      return counts.cancelled;
  }
  check_failed("a task state", __FILE__, __LINE__);
}

namespace {

// A video is one task that decodes, whatever it needs: with what it needs it fails, too.
bool is_video(const Task& task, TaskState state) {
  return task.spec.kind == TaskKind::kDecodeVideo && task.state == state;
}

std::uint64_t frames_made(const Task& task) {
  return is_video(task, TaskState::kDone)
             ? static_cast<std::uint64_t>(std::max(task.result.frames, 0))
             : 0;
}

}  // namespace

void count_task(State& state, const Task& task) {
  Job& job = state.jobs.at(task.spec.job);
  ++count(job.counts, task.state);
  ++count(state.counts[task.spec.kind], task.state);
  job.videos_made += is_video(task, TaskState::kDone) ? 1 : 0;
  job.videos_failed += is_video(task, TaskState::kFailed) ? 1 : 0;
  job.frames_made += frames_made(task);
}

void uncount_task(State& state, const Task& task) {
  Job& job = state.jobs.at(task.spec.job);
  --count(job.counts, task.state);
  --count(state.counts[task.spec.kind], task.state);
  job.videos_made -= is_video(task, TaskState::kDone) ? 1 : 0;
  job.videos_failed -= is_video(task, TaskState::kFailed) ? 1 : 0;
  job.frames_made -= frames_made(task);
}

TaskState end_state(const jobs::TaskCounts& counts) {
  if (counts.failed > 0) return TaskState::kFailed;
  return counts.cancelled > 0 ? TaskState::kCancelled : TaskState::kDone;
}

jobs::WorkerState state_of(const Worker& worker) {
  return worker.drain || worker.stop ? jobs::WorkerState::kDraining : worker.state;
}

ReadyOrder ready_order(const State& state, const Task& task) {
  const Job& job = state.jobs.at(task.spec.job);
  return {task.spec.priority, task.spec.kind, job.number, task.position, task.spec.id};
}

std::vector<std::uint64_t> wanted_features(const jobs::TaskSpec& spec,
                                           const jobs::ModelSet& models) {
  std::vector<std::uint64_t> tags;
  if (spec.kind != TaskKind::kEncodeLatents) return tags;
  const auto keys = jobs::feature_keys(jobs::as_read(spec.video), jobs::as_read(spec.reference),
                                       models, spec.parameters);
  for (const auto kind : jobs::kFeatureKinds) {
    if (spec.features.takes(kind)) tags.push_back(jobs::feature_tag(keys.of(kind)));
  }
  return tags;
}

bool needs_are_done(const State& state, const Task& task) {
  return std::all_of(task.spec.needs.begin(), task.spec.needs.end(), [&](const TaskId& need) {
    const auto found = state.tasks.find(need);
    return found != state.tasks.end() && found->second.state == TaskState::kDone;
  });
}

void enqueue(State& state, Task& task, Instant now) {
  const ReadyOrder order = ready_order(state, task);
  state.ready.insert(order);
  task.ready_since = now;
  state.ready_since.insert(now);
  if (!task.wants.empty()) state.affinity.task_ready(order, task.wants.front());
}

void dequeue(State& state, const Task& task) {
  const ReadyOrder order = ready_order(state, task);
  state.ready.erase(order);
  state.ready_since.erase(state.ready_since.find(task.ready_since));
  if (!task.wants.empty()) state.affinity.task_left(order, task.wants.front());
}

void Transitions::move_to(Task& task, TaskState next) {
  if (task.state == TaskState::kReady) dequeue(state_, task);
  if (task.state == TaskState::kRunning) drop_lease(task);
  uncount_task(state_, task);
  task.state = next;
  count_task(state_, task);
  if (next == TaskState::kReady) enqueue(state_, task, now_);
  if (next == TaskState::kRunning) state_.running.insert(task.spec.id);
  if (is_terminal(next) || (next == TaskState::kRunning && task.host_failures.empty()))
    forget_refusals(task);
  if (is_terminal(next))
    decision_.tally.tasks_ended.push_back({task.spec.kind, next, frames_made(task)});
  decision_.changed_tasks.push_back(task.spec.id);
}

void Transitions::admit(Task& task) {
  move_to(task, needs_are_done(state_, task) ? TaskState::kReady : TaskState::kWaiting);
}

void Transitions::renew(Task& task, const jobs::TaskProgress& progress) {
  const bool moved = progress.stage != task.progress.stage || progress.step != task.progress.step;
  Worker& worker = state_.workers.at(task.worker);
  if (moved) task.progressed_at = worker.progressed_at = now_;
  if (moved && !jobs::is_stage(progress.stage, jobs::Stage::kQueued)) ++decision_.tally.steps;
  if (!jobs::takes_slot(progress.stage)) worker.ending.insert(task.spec.id);
  task.progress = progress;
  task.lease_expires = now_ + state_.config.lease;
}

void Transitions::drop_lease(Task& task) {
  state_.running.erase(task.spec.id);
  const auto worker = state_.workers.find(task.worker);
  if (worker != state_.workers.end()) {
    worker->second.leases.erase(task.spec.id);
    worker->second.ending.erase(task.spec.id);
  }
  task.progress = {};
}

void Transitions::commit(Task& task, const jobs::TaskResult& result) {
  task.result = result;
  task.error = Status();
  task.run_seconds = to_seconds(now_ - task.leased_at);
  if (const auto worker = state_.workers.find(task.worker); worker != state_.workers.end()) {
    ++worker->second.tasks_done;
    state_.jobs.at(task.spec.job).done_by.insert(task.worker_name);
    forget_strikes(worker->second, task);
    if (result.latents) {
      state_.cannot_fetch.erase(result.latents->content);
      note_replica(*result.latents, task.worker);
    }
    for (const auto& use : result.features) {
      if (use.kept) state_.affinity.note(use.tag, task.worker, use.made_seconds);
    }
  }
  move_to(task, TaskState::kDone);
  log(jobs::EventKind::kTaskCommitted, task, "");
  for (const TaskId& id : task.needed_by) {
    Task& next = state_.tasks.at(id);
    if (next.state == TaskState::kWaiting) admit(next);
  }
  end_job_if_over(state_.jobs.at(task.spec.job));
}

void Transitions::fail(Task& task, const Status& status) {
  if (const auto worker = state_.workers.find(task.worker); worker != state_.workers.end()) {
    ++worker->second.tasks_failed;
  }
  fail_attempt(task, status);
}

void Transitions::fail_attempt(Task& task, const Status& status) {
  ++task.failures;
  decision_.tally.attempts_failed.push_back(task.spec.kind);
  task.error = status;
  task.failed_on = task.worker;
  log(jobs::EventKind::kTaskFailed, task,
      fmt::format("{}: {}", to_string(status.code()), status.message()));
  if (!status.retryable() || task.failures >= state_.config.max_attempts) {
    fail_for_good(task, status);
    return;
  }
  task.not_before = now_ + task.failures * state_.config.retry_delay;
  task.pauses_after = fmt::format("failure {} of {}", task.failures, state_.config.max_attempts);
  admit(task);
  log(jobs::EventKind::kTaskRequeued, task, "after " + task.pauses_after);
}

void Transitions::fail_for_good(Task& task, const Status& status) {
  task.error = status;
  move_to(task, TaskState::kFailed);
  for (const TaskId& id : task.needed_by) {
    Task& next = state_.tasks.at(id);
    if (!is_terminal(next.state)) fail_for_good(next, status);
  }
  end_job_if_over(state_.jobs.at(task.spec.job));
}

void Transitions::release(Task& task) { admit(task); }

void Transitions::cancel(Task& task) {
  move_to(task, TaskState::kCancelled);
  log(jobs::EventKind::kTaskCancelled, task, "");
}

void Transitions::end_job_if_over(Job& job) {
  if (job.ended || job.counts.ended() != job.counts.total()) return;
  job.ended = true;
  decision_.changed_jobs.push_back(job.id);
  decision_.tally.jobs_ended.push_back(end_state(job.counts));
  log(jobs::EventKind::kJobEnded, job,
      fmt::format("{} done, {} failed, {} cancelled", job.counts.done, job.counts.failed,
                  job.counts.cancelled));
}

void Transitions::forget_worker(const Worker& worker, bool lost) {
  const WorkerId id = worker.hello.worker;
  if (lost && state_of(worker) != jobs::WorkerState::kDraining) {
    const auto& hello = worker.hello;
    decision_.tally.losses.push_back(
        {hello.name, hello.host, hello.device, hello.slurm_job_id, worker.last_heard});
  }
  for (const TaskId& refused : state_.refused) {
    note_who_is_left(state_.tasks.at(refused));  // this worker is one of them until now
  }
  const std::set<TaskId> leases = worker.leases;
  const Status reason(StatusCode::kUnavailable,
                      fmt::format("worker {} was lost while it ran this", worker.hello.name));
  for (const TaskId& lease : leases) {
    Task& task = state_.tasks.at(lease);
    if (lost) {
      note_expiry(task, Expiry::kSilent, "its worker was lost");
      fail(task, reason);
    } else {
      log(jobs::EventKind::kLeaseReleased, task, "its worker left");
      release(task);
    }
  }
  for (auto* workers : {&state_.replicas, &state_.cannot_fetch}) {
    for (auto entry = workers->begin(); entry != workers->end();) {
      entry->second.erase(id);
      entry = entry->second.empty() ? workers->erase(entry) : std::next(entry);
    }
  }
  state_.affinity.forget(id);
  for (auto made = state_.made.begin(); made != state_.made.end();) {
    std::erase_if(made->second,
                  [&](const auto& ref) { return !state_.replicas.contains(ref.content); });
    made = made->second.empty() ? state_.made.erase(made) : std::next(made);
  }
  state_.workers.erase(id);
}

void Transitions::note_replica(const jobs::ArtefactRef& artefact, WorkerId worker) {
  // What could not be fetched from the others may be from this one.
  if (state_.replicas[artefact.content].insert(worker).second)
    state_.cannot_fetch.erase(artefact.content);
  auto& made = state_.made[artefact.key];
  const bool known = std::any_of(made.begin(), made.end(), [&](const auto& other) {
    return other.content == artefact.content;
  });
  if (!known) made.push_back(artefact);
}

// A task that waits for others of its worker moves as long as they do.
Instant Transitions::last_progress(const Task& task) const {
  const auto worker = state_.workers.find(task.worker);
  const bool waits =
      jobs::is_stage(task.progress.stage, jobs::Stage::kQueued) && worker != state_.workers.end();
  return waits ? std::max(task.progressed_at, worker->second.progressed_at) : task.progressed_at;
}

void Transitions::expire_leases() {
  std::vector<std::pair<TaskId, Expiry>> expired;
  for (const TaskId& id : state_.running) {
    const Task& task = state_.tasks.at(id);
    const bool silent = now_ > task.lease_expires;
    const bool stalled = now_ - last_progress(task) > state_.config.stall;
    if (silent || stalled) expired.emplace_back(id, silent ? Expiry::kSilent : Expiry::kStalled);
  }
  for (const auto& [id, reason] : expired) {
    Task& task = state_.tasks.at(id);
    note_expiry(task, reason, "no progress in time");
    fail(task, Status(StatusCode::kTimeout,
                      fmt::format("worker {} made no progress in time", task.worker_name)));
  }
}

void Transitions::note_expiry(const Task& task, Expiry reason, std::string detail) {
  decision_.tally.expiries.push_back(reason);
  log(jobs::EventKind::kLeaseExpired, task, std::move(detail));
}

void Transitions::hand_back_unstarted(Task& task) {
  decision_.tally.expiries.push_back(Expiry::kNotStarted);
  log(jobs::EventKind::kLeaseReleased, task, "the worker does not know of it");
  release(task);
}

void Transitions::postpone(Duration by) {
  for (auto& [id, worker] : state_.workers) {
    worker.last_heard += by;
    worker.progressed_at += by;
  }
  for (const TaskId& id : state_.running) {
    Task& task = state_.tasks.at(id);
    task.lease_expires += by;
    task.progressed_at += by;
  }
}

std::vector<std::string> Transitions::endpoints_of_replicas(const Digest& content,
                                                            const Worker& worker) const {
  std::vector<std::string> endpoints;
  const auto replicas = state_.replicas.find(content);
  if (replicas == state_.replicas.end()) return endpoints;
  for (const WorkerId& id : replicas->second) {
    const Worker& replica = state_.workers.at(id);
    if (reaches(worker, replica)) endpoints.push_back(replica.hello.data_endpoint);
  }
  return endpoints;
}

jobs::TaskInput Transitions::input_of(const TaskId& need, const Worker& worker) const {
  const Task& encode = state_.tasks.at(need);
  jobs::TaskInput input;
  input.artefact = *encode.result.latents;
  input.replicas = endpoints_of_replicas(input.artefact.content, worker);
  input.saved = encode.result.cached_latents;
  input.made_by = encode.result;
  input.made_by_worker = encode.worker_name;
  input.made_by_attempt = encode.attempt;
  input.driving = encode.spec.video;
  input.reference = encode.spec.reference;
  return input;
}

std::vector<jobs::TaskInput> Transitions::inputs_of(const Task& task, const Worker& worker) const {
  std::vector<jobs::TaskInput> inputs;
  for (const TaskId& need : task.spec.needs) inputs.push_back(input_of(need, worker));
  if (!task.spec.reuse_latents) return inputs;
  if (const auto* made = held_latents(state_, task.spec.key, &worker.hello.numerics)) {
    jobs::TaskInput input;
    input.artefact = *made;
    input.replicas = endpoints_of_replicas(made->content, worker);
    if (!input.replicas.empty()) inputs.push_back(std::move(input));
  }
  return inputs;
}

void Transitions::grant(Task& task, Worker& worker) {
  ++task.attempt;
  decision_.tally.waits.push_back({task.spec.kind, to_seconds(now_ - task.ready_since)});
  task.worker = worker.hello.worker;
  task.worker_name = worker.hello.name;
  task.leased_at = task.progressed_at = now_;
  task.lease_expires = now_ + state_.config.lease;
  task.progress = {};
  worker.leases.insert(task.spec.id);
  move_to(task, TaskState::kRunning);
  log(jobs::EventKind::kTaskLeased, task, "");
  Grant grant;
  grant.worker = worker.hello.worker;
  grant.lease.epoch = state_.epoch;
  grant.lease.attempt = task.attempt;
  grant.lease.spec = task.spec;
  grant.lease.models = state_.jobs.at(task.spec.job).models;
  grant.lease.inputs = inputs_of(task, worker);
  decision_.grants.push_back(std::move(grant));
}

void Transitions::dispatch() {
  for (bool progress = true; progress && !state_.ready.empty();) {
    progress = false;
    for (auto& [id, worker] : state_.workers) {  // one each in turn, so that no worker hoards
      if (free_slots(worker) == 0) continue;
      const auto next = next_task(state_, worker, now_);
      if (!next) continue;
      Task& task = state_.tasks.at(*next);
      if (inputs_available(task, worker)) grant(task, worker);
      progress = true;
    }
  }
}

jobs::Event& Transitions::add_event(jobs::EventKind kind, std::string detail) {
  jobs::Event event;
  event.sequence = state_.next_sequence++;
  event.epoch = state_.epoch;
  event.kind = to_string(kind);
  event.detail = std::move(detail);
  return decision_.events.emplace_back(std::move(event));
}

jobs::Event& Transitions::log(jobs::EventKind kind, const Task& task, std::string detail) {
  jobs::Event& event = add_event(kind, std::move(detail));
  event.job = state_.jobs.at(task.spec.job).number;
  event.task = to_string(task.spec.id);
  event.name = task.spec.name;
  event.task_kind = task.spec.kind;
  event.attempt = task.attempt;
  event.worker = task.worker_name;
  const auto worker = state_.workers.find(task.worker);
  if (worker != state_.workers.end()) event.host = worker->second.hello.host;
  return event;
}

void Transitions::log(jobs::EventKind kind, const Job& job, std::string detail) {
  jobs::Event& event = add_event(kind, std::move(detail));
  event.job = job.number;
  event.name = job.name;
}

void Transitions::log(jobs::EventKind kind, const Worker& worker, std::string detail) {
  jobs::Event& event = add_event(kind, std::move(detail));
  event.worker = worker.hello.name;
  event.host = worker.hello.host;
}

}  // namespace mimicfleet::coordinator
