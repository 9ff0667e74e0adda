#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "common/wire/codec.h"
#include "coordinator/scheduler/decide.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {

// A scheduler with a fake clock and workers that tests move by hand.
class Fleet {
 public:
  State state;
  FakeClock clock;
  std::vector<jobs::Event> events;
  std::vector<Grant> grants;
  Tally tally;

  Fleet() {
    models_.id = sha256("models");
    models_.name = "big";
    state.epoch = 1;
  }

  Decision input(const Input& input) {
    Decision decision = decide(state, input, clock.now());
    events.insert(events.end(), decision.events.begin(), decision.events.end());
    grants.insert(grants.end(), decision.grants.begin(), decision.grants.end());
    tally.add(decision.tally);
    return decision;
  }

  // A job of clips named a, b, c, …
  JobId submit(std::size_t clips, std::int32_t priority = 0, jobs::FeaturePolicy features = {}) {
    jobs::JobPlan plan;
    plan.models = models_;
    plan.priority = priority;
    plan.features = features;
    for (std::size_t i = 0; i < clips; ++i) {
      jobs::ClipPlan clip;
      clip.output.relative = std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i);
      clip.video.path = clip.output.relative + ".mp4";
      clip.video.digest = sha256(clip.video.path);
      plan.clips.push_back(clip);
    }
    return submit(plan);
  }
  JobId submit(const jobs::JobPlan& plan) {
    Job job;
    job.id = new_id<JobId>();
    job.number = state.next_job_number++;
    job.models = models_;
    input(JobSubmitted{job, *jobs::make_tasks(plan, job.id)});
    return job.id;
  }

  jobs::WorkerHello hello(const std::string& name) const {
    jobs::WorkerHello hello;
    hello.worker = new_id<WorkerId>();
    hello.name = name;
    hello.data_endpoint = "tcp://" + name;
    hello.kinds = {TaskKind::kEncodeLatents, TaskKind::kDecodeVideo};
    hello.model_sets = {models_};
    hello.numerics.precision = "fp32";
    return hello;
  }

  // A worker that is there and ready with one slot (nothing is granted before its first heartbeat).
  WorkerId join(const std::string& name, std::uint32_t slots = 1) {
    const auto greeting = hello(name);
    input(greeting);
    beat(greeting.worker, slots);
    return greeting.worker;
  }

  // A heartbeat that lists what the scheduler believes the worker holds.
  // Its tasks are in `stage`, those of `stages` in theirs.
  Decision beat(WorkerId worker, std::uint32_t slots = 1, std::int32_t step = 0,
                const std::map<TaskId, std::string>& stages = {}) {
    jobs::WorkerHeartbeat beat;
    beat.worker = worker;
    beat.state = jobs::WorkerState::kReady;
    if (const auto found = state.workers.find(worker); found != state.workers.end()) {
      for (const TaskId& id : found->second.leases) {
        const auto stage = stages.find(id);
        beat.running.push_back({id, state.tasks.at(id).attempt, "denoise", step, 25});
        if (stage != stages.end())
          beat.running.back() = {id, state.tasks.at(id).attempt, stage->second, 0, 0};
      }
    }
    const auto held = static_cast<std::uint32_t>(
        std::count_if(beat.running.begin(), beat.running.end(),
                      [](const auto& one) { return jobs::takes_slot(one.stage); }));
    beat.free_slots = slots > held ? slots - held : 0;
    return input(beat);
  }

  Decision complete(WorkerId worker, const TaskAttempt& attempt, jobs::TaskResult result = {}) {
    jobs::TaskCompleted done;
    done.result = std::move(result);
    done.worker = worker;
    done.attempt = attempt;
    if (state.tasks.at(attempt.task).spec.kind == TaskKind::kEncodeLatents) {
      if (!done.result.latents) done.result.latents.emplace();
      done.result.latents->key = state.tasks.at(attempt.task).spec.key;
      done.result.latents->content = sha256(to_string(attempt.task));
    }
    return input(done);
  }

  Decision fail(WorkerId worker, const TaskAttempt& attempt, const Status& status) {
    jobs::TaskFailed failed;
    failed.worker = worker;
    failed.attempt = attempt;
    failed.status = status;
    return input(failed);
  }

  // The worker's host lacks something.
  Decision fail_on_host(WorkerId worker, const TaskAttempt& attempt,
                        const Status& status = {StatusCode::kNotFound, "/data: no such folder"}) {
    jobs::TaskFailed failed;
    failed.worker = worker;
    failed.attempt = attempt;
    failed.status = status;
    failed.of_host = true;
    return input(failed);
  }

  // The worker could not get the latents of all that the task needs.
  Decision lose_inputs(WorkerId worker, const TaskAttempt& attempt) {
    jobs::TaskFailed failed;
    failed.worker = worker;
    failed.attempt = attempt;
    failed.status = Status(StatusCode::kUnavailable, "no worker could deliver latents");
    for (const TaskId& need : state.tasks.at(attempt.task).spec.needs) {
      failed.lost_inputs.push_back(state.tasks.at(need).result.latents->content);
    }
    return input(failed);
  }

  // The next coordinator knows what was stored and nothing else.
  void restart() {
    const auto stored = [](const auto& record) {
      return *wire::decode_struct<std::decay_t<decltype(record)>>(wire::encode_struct(record),
                                                                  wire::Limits{.bytes = 64 << 20});
    };
    std::vector<Job> jobs;
    std::vector<Task> tasks;
    for (const auto& [id, job] : state.jobs) jobs.push_back(stored(job));
    for (const auto& [id, task] : state.tasks) tasks.push_back(stored(task));
    State fresh;
    fresh.config = state.config;
    fresh.epoch = state.epoch + 1;
    fresh.next_sequence = state.next_sequence;
    state = std::move(fresh);
    restore(state, std::move(jobs), std::move(tasks), clock.now());
  }

  // What `worker` holds now.
  std::vector<TaskAttempt> leases(WorkerId worker) const {
    std::vector<TaskAttempt> held;
    const auto found = state.workers.find(worker);
    if (found == state.workers.end()) return held;
    for (const TaskId& id : found->second.leases) held.push_back({id, state.tasks.at(id).attempt});
    return held;
  }

  TaskAttempt lease(WorkerId worker) const {
    const auto held = leases(worker);
    CHECK(held.size() == 1);
    return held.front();
  }

  void pass(Duration time) {
    clock.advance(time);
    state.last_tick = clock.now() - state.config.tick;  // as if ticks had come all the while
    input(Tick{});
  }

  // The tag of the key points of a task's clip.
  std::uint64_t keypoints_of(const TaskId& task) const {
    return state.tasks.at(task).wants.front();
  }

  std::size_t count_events(const std::string& kind) const {
    return std::count_if(events.begin(), events.end(),
                         [&](const auto& event) { return event.kind == kind; });
  }

  const Job& job(JobId id) const { return state.jobs.at(id); }
  const Task& task(const TaskId& id) const { return state.tasks.at(id); }
  TaskKind kind(const TaskAttempt& attempt) const { return task(attempt.task).spec.kind; }
  const jobs::ModelSet& models() const { return models_; }

 private:
  jobs::ModelSet models_;
};

}  // namespace mimicfleet::coordinator
