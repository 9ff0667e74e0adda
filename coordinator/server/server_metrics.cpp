#include "coordinator/server/server_metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>

#include "common/clock.h"
#include "coordinator/scheduler/eligibility.h"
#include "coordinator/scheduler/transitions.h"
#include "coordinator/server/server.h"
#include "jobs/events.h"
#include "monitoring/background_read.h"
#include "monitoring/disk_metrics.h"

namespace mimicfleet::coordinator {
namespace {

using monitoring::Sample;

constexpr std::array kTaskKinds = {TaskKind::kEncodeLatents, TaskKind::kDecodeVideo};
constexpr std::array kOpenStates = {TaskState::kWaiting, TaskState::kReady, TaskState::kRunning};
constexpr std::array kEndStates = {TaskState::kDone, TaskState::kFailed, TaskState::kCancelled};
constexpr std::array kWorkerStates = {jobs::WorkerState::kLoading, jobs::WorkerState::kReady,
                                      jobs::WorkerState::kDraining};
// Why hosts cannot do tasks; what is none of these is `other`.
constexpr std::array kHostFailures = {"not_found", "failed_precondition", "input_changed",
                                      "resource_exhausted", "other"};
constexpr std::array<std::pair<Expiry, const char*>, 3> kExpiries = {
    {{Expiry::kSilent, "silent"},
     {Expiry::kStalled, "stalled"},
     {Expiry::kNotStarted, "not_started"}}};
constexpr std::array<std::pair<Refusal, const char*>, 4> kRefusals = {
    {{Refusal::kMalformed, "malformed"},
     {Refusal::kVersion, "version"},
     {Refusal::kUnknownType, "unknown_type"},
     {Refusal::kRefused, "refused"}}};

constexpr std::size_t kMostHosts = 1000;  // with series of their own; the others are one
constexpr const char* kOtherHosts = "other";
constexpr std::size_t kShownJobs = 50;
constexpr std::int64_t kShownAfterEndMs = 3'600'000;
constexpr auto kJobsCountedAgain = std::chrono::minutes(1);  // some ended long enough ago meanwhile

// From a worker that waits for work to a night's queue.
const std::vector<double> kWaitBuckets = {0.1, 0.5, 1,    5,    15,    30,    60,
                                          300, 900, 1800, 3600, 14400, 43200, 86400};
// From an SSD's sync to a network disk in trouble.
const std::vector<double> kWriteBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,  0.5,    1,     2.5,  5,     10};

template <typename Enum>
std::string text(Enum value) {
  return std::string(to_string(value));
}

// The code before the message of a failure.
std::string_view code_in(const std::string& detail) {
  return std::string_view(detail).substr(0, detail.find(':'));
}

bool is_set_aside_somewhere(const State& state, const Worker& worker) {
  return std::any_of(worker.strikes.begin(), worker.strikes.end(), [&](const auto& entry) {
    return !state.jobs.at(entry.first).ended && is_set_aside(state, worker, entry.first);
  });
}

// The files of the database come and go meanwhile.
std::optional<double> bytes_below(const std::string& folder) {
  std::error_code error;
  std::uintmax_t bytes = 0;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_regular_file(gone)) continue;
    if (const auto size = entry->file_size(gone); !gone) bytes += size;
  }
  return static_cast<double>(bytes);
}

}  // namespace

ServerMetrics::ServerMetrics(monitoring::Metrics& metrics, std::string state_dir,
                             const Clock& clock)
    : metrics_(metrics),
      state_dir_(std::move(state_dir)),
      clock_(clock),
      epoch_(metrics.gauge("mimicfleet_coordinator_epoch",
                           "How many times a coordinator was started on this state")),
      lease_(metrics.gauge("mimicfleet_lease_seconds",
                           "A worker that is silent for so long has lost its tasks (--lease-ms)")),
      steps_(
          metrics.counter("mimicfleet_task_steps_total",
                          "Stages and steps of stages that tasks came to, as their workers told")),
      work_seconds_(metrics.counter("mimicfleet_work_seconds_total",
                                    "Seconds in which at least one task was open")),
      videos_made_(metrics.counter("mimicfleet_videos_made_total", "Videos that workers finished")),
      frames_made_(metrics.counter("mimicfleet_frames_made_total",
                                   "Frames of the videos that were finished")),
      set_aside_(
          metrics.gauge("mimicfleet_workers_set_aside",
                        "Workers that get nothing more of an open job because of their host")),
      store_writes_(metrics.histogram("mimicfleet_store_write_duration_seconds",
                                      "Seconds until a change of the state was safe on the disk",
                                      kWriteBuckets)),
      store_failures_(
          metrics.counter("mimicfleet_store_write_failures_total",
                          "Attempts to write the state that failed; each is repeated")) {
  add_task_metrics();
  add_worker_metrics();
  add_server_metrics();
  add_job_metrics();
}

void ServerMetrics::add_task_metrics() {
  for (const TaskKind kind : kTaskKinds) {
    for (const TaskState state : kOpenStates) {
      tasks_.emplace(
          std::pair(kind, state),
          metrics_.gauge("mimicfleet_tasks", "Tasks that are not over, by kind and state",
                         {{"kind", text(kind)}, {"state", text(state)}}));
    }
    for (const TaskState state : kEndStates) {
      tasks_ended_.emplace(std::pair(kind, state),
                           metrics_.counter("mimicfleet_tasks_ended_total",
                                            "Tasks that came to an end, by kind and outcome",
                                            {{"kind", text(kind)}, {"state", text(state)}}));
    }
    attempts_failed_.emplace(
        kind, metrics_.counter("mimicfleet_task_attempts_failed_total",
                               "Attempts at tasks that failed, or whose lease expired",
                               {{"kind", text(kind)}}));
    waits_.emplace(
        kind, metrics_.histogram("mimicfleet_task_wait_seconds",
                                 "Seconds from when a task could start to when a worker got it",
                                 kWaitBuckets, {{"kind", text(kind)}}));
  }
  for (const auto& [reason, label] : kExpiries) {
    lease_expiries_.emplace(
        reason, metrics_.counter(
                    "mimicfleet_lease_expiries_total",
                    "Leases that were taken back: their worker fell silent, it made no progress, "
                    "or the grant never reached it",
                    {{"reason", label}}));
  }
  metrics_.gauges(
      "mimicfleet_oldest_ready_task_age_seconds",
      "For how long the task has waited that could start and has waited longest; 0 without one",
      [this] {
        const auto oldest = glance().oldest_ready;
        return std::vector<Sample>{{{}, oldest ? to_seconds(clock_.now() - *oldest) : 0}};
      });
}

void ServerMetrics::add_worker_metrics() {
  for (const auto state : kWorkerStates) {
    workers_.emplace(state, metrics_.gauge("mimicfleet_workers", "Workers that are there, by state",
                                           {{"state", text(state)}}));
  }
  for (const char* reason : kHostFailures) {
    host_failures_.emplace(reason,
                           metrics_.counter("mimicfleet_host_failures_total",
                                            "Tasks that a worker's host could not do, by reason",
                                            {{"reason", reason}}));
  }
  metrics_.gauges("mimicfleet_worker_last_heard_seconds", "Seconds since a worker was heard",
                  [this] {
                    std::vector<Sample> samples;
                    const Instant now = clock_.now();
                    for (const auto& [who, heard] : glance().heard) {
                      samples.push_back(
                          {{{"worker", who.first}, {"host", who.second}}, to_seconds(now - heard)});
                    }
                    return samples;
                  });
  metrics_.gauges(
      "mimicfleet_worker_lost_seconds",
      "Seconds since a worker fell silent in whose place none has come; for a day at most, and for "
      "an hour if a Slurm job had started it",
      [this] {
        std::vector<Sample> samples;
        const Instant now = clock_.now();
        for (const auto& [worker, since] : glance().lost) {
          samples.push_back(
              {{{"worker", worker.name}, {"host", worker.host}, {"device", worker.device}},
               to_seconds(now - since)});
        }
        return samples;
      });
}

void ServerMetrics::add_server_metrics() {
  for (const auto& event : jobs::kEvents) {
    const std::string kind(event.name);
    events_.emplace(kind, metrics_.counter("mimicfleet_events_total",
                                           "Entries of the event log, by kind", {{"kind", kind}}));
  }
  for (const std::string_view type : Server::message_types()) {
    messages_.emplace(type, metrics_.counter("mimicfleet_messages_received_total",
                                             "Messages of workers and clients, by type",
                                             {{"type", std::string(type)}}));
  }
  for (const auto& [reason, label] : kRefusals) {
    refusals_.emplace(reason,
                      metrics_.counter("mimicfleet_messages_refused_total",
                                       "Messages that were answered with an error, by reason",
                                       {{"reason", label}}));
  }
  using BytesRead = monitoring::BackgroundRead<double>;
  const auto bytes =
      std::make_shared<const BytesRead>([folder = state_dir_] { return bytes_below(folder); });
  metrics_.gauges("mimicfleet_state_bytes", "Bytes of all files in the state folder", [bytes] {
    const auto now = bytes->value();
    return now ? std::vector<Sample>{{{}, *now}} : std::vector<Sample>();
  });
  monitoring::add_disk_metrics(metrics_, {{"state", state_dir_}});
}

template <typename Read>
void ServerMetrics::add_job_gauge(const std::string& name, const std::string& help, Read read) {
  const char* which = "; of open jobs and those that ended within an hour, the newest 50";
  metrics_.gauges(name, help + which, [this, read] {
    std::vector<Sample> samples;
    for (const auto& job : glance().jobs) {
      samples.push_back({{{"number", std::to_string(job.number)}}, static_cast<double>(read(job))});
    }
    return samples;
  });
}

void ServerMetrics::add_job_metrics() {
  jobs_.emplace(TaskState::kRunning,
                metrics_.gauge("mimicfleet_jobs", "Jobs of the state folder, by state",
                               {{"state", "running"}}));
  for (const TaskState state : kEndStates) {
    jobs_.emplace(state, metrics_.gauge("mimicfleet_jobs", "Jobs of the state folder, by state",
                                        {{"state", text(state)}}));
    jobs_ended_.emplace(
        state, metrics_.counter("mimicfleet_jobs_ended_total",
                                "Jobs that came to an end, by outcome", {{"state", text(state)}}));
  }
  metrics_.gauges(
      "mimicfleet_job_tasks",
      "Tasks of a job, by state; of open jobs and those that ended within an hour, the newest 50",
      [this] {
        std::vector<Sample> samples;
        for (auto& job : glance().jobs) {
          for (const auto& states : {kOpenStates, kEndStates}) {
            for (const TaskState state : states) {
              samples.push_back({{{"number", std::to_string(job.number)}, {"state", text(state)}},
                                 static_cast<double>(count(job.tasks, state))});
            }
          }
        }
        return samples;
      });
  add_job_gauge("mimicfleet_job_videos_made", "Videos of a job that are finished",
                [](const JobGlance& job) { return job.videos_made; });
  add_job_gauge("mimicfleet_job_videos_failed", "Videos of a job that could not be made",
                [](const JobGlance& job) { return job.videos_failed; });
  add_job_gauge("mimicfleet_job_frames_made", "Frames of the videos of a job that are finished",
                [](const JobGlance& job) { return job.frames_made; });
  add_job_gauge(
      "mimicfleet_job_age_seconds", "Seconds from a job's submission until now, or until it ended",
      [](const JobGlance& job) {
        const std::int64_t until = job.ended_wall_ms > 0 ? job.ended_wall_ms : wall_clock_ms();
        return static_cast<double>(std::max<std::int64_t>(until - job.submitted_wall_ms, 0)) / 1000;
      });
}

void ServerMetrics::on_message(std::string_view type) { messages_.find(type)->second.add(); }
void ServerMetrics::on_refusal(Refusal reason) { refusals_.at(reason).add(); }
void ServerMetrics::on_store_write(Duration took) { store_writes_.observe(to_seconds(took)); }
void ServerMetrics::on_store_failure() { store_failures_.add(); }

void ServerMetrics::on_commit(const std::vector<jobs::Event>& events, const Tally& tally) {
  for (const auto& event : events) count_event(event);
  for (const auto& end : tally.tasks_ended) {
    tasks_ended_.at({end.kind, end.state}).add();
    if (end.kind != TaskKind::kDecodeVideo || end.state != TaskState::kDone) continue;
    videos_made_.add();
    frames_made_.add(static_cast<double>(end.frames));
  }
  for (const auto& wait : tally.waits) waits_.at(wait.kind).observe(wait.seconds);
  for (const TaskKind kind : tally.attempts_failed) attempts_failed_.at(kind).add();
  if (tally.steps > 0) steps_.add(static_cast<double>(tally.steps));
  for (const WorkerLoss& loss : tally.losses) lost_.add(loss, clock_.now());
  for (const Expiry reason : tally.expiries) lease_expiries_.at(reason).add();
  for (const TaskState state : tally.jobs_ended) jobs_ended_.at(state).add();
  jobs_changed_ = jobs_changed_ || tally.jobs_changed;
}

void ServerMetrics::count_event(const jobs::Event& event) {
  if (const auto counter = events_.find(event.kind); counter != events_.end())
    counter->second.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerJoined)) of_host(event.host).joined.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerLeft))
    of_host(event.host).said_goodbye.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerLost)) of_host(event.host).lost.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kHostFailed)) {
    const auto reason = host_failures_.find(code_in(event.detail));
    (reason == host_failures_.end() ? host_failures_.at("other") : reason->second).add();
  }
}

ServerMetrics::HostCounters& ServerMetrics::of_host(const std::string& host) {
  if (const auto known = hosts_.find(host); known != hosts_.end()) return known->second;
  if (hosts_.size() >= kMostHosts && host != kOtherHosts) return of_host(kOtherHosts);
  const auto left = [&](const char* reason) {
    return metrics_.counter(
        "mimicfleet_workers_left_total",
        "Workers that left, by host, and whether they said goodbye or were lost",
        {{"host", host}, {"reason", reason}});
  };
  const auto joined = metrics_.counter("mimicfleet_workers_joined_total",
                                       "Workers that came, by host", {{"host", host}});
  return hosts_.emplace(host, HostCounters{joined, left("goodbye"), left("lost")}).first->second;
}

void ServerMetrics::look(const State& state, Instant now) {
  epoch_.set(static_cast<double>(state.epoch));
  lease_.set(to_seconds(state.config.lease));
  count_time(state, now);
  lost_.look(state, now);
  for (const auto& [kind_and_state, gauge] : tasks_) {
    const auto counted = state.counts.find(kind_and_state.first);
    auto counts = counted == state.counts.end() ? jobs::TaskCounts() : counted->second;
    gauge.set(count(counts, kind_and_state.second));
  }
  count_workers(state);
  if (jobs_changed_ || now - jobs_counted_ >= kJobsCountedAgain) count_jobs(state, now);
  Glance glance = glance_at(state);
  const std::lock_guard lock(mutex_);
  glance_ = std::move(glance);
}

void ServerMetrics::count_time(const State& state, Instant now) {
  if (at_work_since_ && now > *at_work_since_) work_seconds_.add(to_seconds(now - *at_work_since_));
  at_work_since_.reset();
  const bool is_at_work =
      std::any_of(state.counts.begin(), state.counts.end(),
                  [](const auto& kind) { return kind.second.total() > kind.second.ended(); });
  if (is_at_work) at_work_since_ = now;
}

void ServerMetrics::count_workers(const State& state) {
  std::map<jobs::WorkerState, double> workers;
  double set_aside = 0;
  for (const auto& [id, worker] : state.workers) {
    workers[state_of(worker)] += 1;
    if (is_set_aside_somewhere(state, worker)) set_aside += 1;
  }
  for (const auto& [worker_state, gauge] : workers_) gauge.set(workers[worker_state]);
  set_aside_.set(set_aside);
}

// All jobs that ever were are looked at, and so only now and then.
void ServerMetrics::count_jobs(const State& state, Instant now) {
  jobs_changed_ = false;
  jobs_counted_ = now;
  std::map<TaskState, double> jobs;
  std::vector<const Job*> shown;
  const std::int64_t shown_since = wall_clock_ms() - kShownAfterEndMs;
  for (const auto& [id, job] : state.jobs) {
    jobs[job.ended ? end_state(job.counts) : TaskState::kRunning] += 1;
    if (!job.ended || job.ended_wall_ms > shown_since) shown.push_back(&job);
  }
  for (const auto& [job_state, gauge] : jobs_) gauge.set(jobs[job_state]);
  std::sort(shown.begin(), shown.end(),
            [](const Job* a, const Job* b) { return a->number > b->number; });
  shown.resize(std::min(shown.size(), kShownJobs));
  shown_jobs_.clear();
  for (const Job* job : shown) shown_jobs_.push_back(job->id);
}

ServerMetrics::Glance ServerMetrics::glance_at(const State& state) const {
  Glance glance;
  if (!state.ready_since.empty()) glance.oldest_ready = *state.ready_since.begin();
  for (const auto& [id, worker] :
       state.workers) {  // two have one name while one that was lost is started anew
    auto& heard = glance.heard[{worker.hello.name, worker.hello.host}];
    heard = std::max(heard, worker.last_heard);
  }
  glance.lost = lost_.all();
  for (const JobId& id : shown_jobs_) {
    const Job& job = state.jobs.at(id);
    glance.jobs.push_back({job.number, job.counts, job.videos_made, job.videos_failed,
                           job.frames_made, job.submitted_wall_ms, job.ended_wall_ms});
  }
  return glance;
}

ServerMetrics::Glance ServerMetrics::glance() const {
  const std::lock_guard lock(mutex_);
  return glance_;
}

}  // namespace mimicfleet::coordinator
