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
using monitoring::text;

constexpr std::size_t kMostHosts = 1000;  // with series of their own; the others are one
constexpr std::size_t kShownJobs = 50;
constexpr std::int64_t kShownAfterEndMs = 3'600'000;
constexpr auto kJobsCountedAgain = std::chrono::minutes(1);  // some ended long enough ago meanwhile

// The code before the message of a failure.
std::string code_in(const std::string& detail) { return detail.substr(0, detail.find(':')); }

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
    : rows_(metrics), state_dir_(std::move(state_dir)), clock_(clock) {
  read_tasks_and_workers();
  read_state_folder();
  read_jobs();
}

void ServerMetrics::read_tasks_and_workers() {
  rows_.oldest_ready.read_by([this] {
    const auto oldest = glance().oldest_ready;
    return std::vector<Sample>{{{}, oldest ? to_seconds(clock_.now() - *oldest) : 0}};
  });
  rows_.last_heard.read_by([this] {
    std::vector<Sample> samples;
    const Instant now = clock_.now();
    for (const auto& [who, heard] : glance().heard) {
      samples.push_back({{{"worker", who.first}, {"host", who.second}}, to_seconds(now - heard)});
    }
    return samples;
  });
  rows_.lost.read_by([this] {
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

void ServerMetrics::read_state_folder() {
  using BytesRead = monitoring::BackgroundRead<double>;
  const auto bytes =
      std::make_shared<const BytesRead>([folder = state_dir_] { return bytes_below(folder); });
  rows_.state_bytes.read_by([bytes] {
    const auto now = bytes->value();
    return now ? std::vector<Sample>{{{}, *now}} : std::vector<Sample>();
  });
  monitoring::add_disk_metrics(rows_.registry, {{"state", state_dir_}});
}

template <typename Read>
void ServerMetrics::read_job(const monitoring::ReadGauges& gauges, Read read) {
  gauges.read_by([this, read] {
    std::vector<Sample> samples;
    for (const auto& job : glance().jobs) {
      samples.push_back({{{"number", std::to_string(job.number)}}, static_cast<double>(read(job))});
    }
    return samples;
  });
}

void ServerMetrics::read_jobs() {
  rows_.job_tasks.read_by([this] {
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
  read_job(rows_.job_videos_made, [](const JobGlance& job) { return job.videos_made; });
  read_job(rows_.job_videos_failed, [](const JobGlance& job) { return job.videos_failed; });
  read_job(rows_.job_frames_made, [](const JobGlance& job) { return job.frames_made; });
  read_job(rows_.job_age, [](const JobGlance& job) {
    const std::int64_t until = job.ended_wall_ms > 0 ? job.ended_wall_ms : wall_clock_ms();
    return static_cast<double>(std::max<std::int64_t>(until - job.submitted_wall_ms, 0)) / 1000;
  });
}

void ServerMetrics::on_message(std::string_view type) {
  rows_.messages.at({{"type", std::string(type)}}).add();
}
void ServerMetrics::on_refusal(Refusal reason) {
  rows_.refusals.at({{"reason", text(reason)}}).add();
}
void ServerMetrics::on_store_write(Duration took) { rows_.store_writes.observe(to_seconds(took)); }
void ServerMetrics::on_store_failure() { rows_.store_failures.add(); }

void ServerMetrics::on_commit(const std::vector<jobs::Event>& events, const Tally& tally) {
  for (const auto& event : events) count_event(event);
  for (const auto& end : tally.tasks_ended) {
    rows_.tasks_ended.at({{"kind", text(end.kind)}, {"state", text(end.state)}}).add();
    if (end.kind != TaskKind::kDecodeVideo || end.state != TaskState::kDone) continue;
    rows_.videos_made.add();
    rows_.frames_made.add(end.frames);
  }
  for (const auto& wait : tally.waits)
    rows_.waits.at({{"kind", text(wait.kind)}}).observe(wait.seconds);
  for (const TaskKind kind : tally.attempts_failed)
    rows_.attempts_failed.at({{"kind", text(kind)}}).add();
  if (tally.steps > 0) rows_.steps.add(tally.steps);
  for (const WorkerLoss& loss : tally.losses) lost_.add(loss, clock_.now());
  for (const Expiry reason : tally.expiries)
    rows_.lease_expiries.at({{"reason", text(reason)}}).add();
  for (const TaskState state : tally.jobs_ended)
    rows_.jobs_ended.at({{"state", text(state)}}).add();
  jobs_changed_ = jobs_changed_ || tally.jobs_changed;
}

void ServerMetrics::count_event(const jobs::Event& event) {
  if (const auto* counter = rows_.events.find({{"kind", event.kind}})) counter->add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerJoined)) of_host(event.host).joined.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerLeft))
    of_host(event.host).said_goodbye.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kWorkerLost)) of_host(event.host).lost.add();
  if (jobs::is_event(event.kind, jobs::EventKind::kHostFailed)) {
    const auto* reason = rows_.host_failures.find({{"reason", code_in(event.detail)}});
    (reason == nullptr ? rows_.host_failures.at({{"reason", kOther}}) : *reason).add();
  }
}

ServerMetrics::HostCounters& ServerMetrics::of_host(const std::string& host) {
  if (const auto known = hosts_.find(host); known != hosts_.end()) return known->second;
  if (hosts_.size() >= kMostHosts && host != kOther) return of_host(kOther);
  const HostCounters counters = {rows_.workers_joined.of({{"host", host}}),
                                 rows_.workers_left.of({{"host", host}, {"reason", "goodbye"}}),
                                 rows_.workers_left.of({{"host", host}, {"reason", "lost"}})};
  return hosts_.emplace(host, counters).first->second;
}

void ServerMetrics::look(const State& state, Instant now) {
  rows_.epoch.set(state.epoch);
  rows_.lease.set(to_seconds(state.config.lease));
  count_time(state, now);
  lost_.look(state, now);
  count_tasks(state);
  count_workers(state);
  if (jobs_changed_ || now - jobs_counted_ >= kJobsCountedAgain) count_jobs(state, now);
  Glance glance = glance_at(state);
  const MutexLock lock(mutex_);
  glance_ = std::move(glance);
}

void ServerMetrics::count_tasks(const State& state) {
  for (const auto& [kind, name] : enum_names(TaskKind{})) {
    const auto counted = state.counts.find(kind);
    auto counts = counted == state.counts.end() ? jobs::TaskCounts() : counted->second;
    for (const TaskState task_state : kOpenStates) {
      rows_.tasks.at({{"kind", std::string(name)}, {"state", text(task_state)}})
          .set(count(counts, task_state));
    }
  }
}

void ServerMetrics::count_time(const State& state, Instant now) {
  if (at_work_since_ && now > *at_work_since_)
    rows_.work_seconds.add(to_seconds(now - *at_work_since_));
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
  for (const auto& [worker_state, name] : enum_names(jobs::WorkerState{})) {
    rows_.workers.at({{"state", std::string(name)}}).set(workers[worker_state]);
  }
  rows_.set_aside.set(set_aside);
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
  for (const TaskState job_state : kJobStates) {
    rows_.jobs.at({{"state", text(job_state)}}).set(jobs[job_state]);
  }
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
  const MutexLock lock(mutex_);
  return glance_;
}

}  // namespace mimicfleet::coordinator
