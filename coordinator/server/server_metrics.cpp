#include "coordinator/server/server_metrics.h"

#include <algorithm>
#include <array>

#include "coordinator/scheduler/eligibility.h"
#include "coordinator/scheduler/transitions.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::array kTaskStates = {TaskState::kWaiting, TaskState::kReady,  TaskState::kRunning,
                                    TaskState::kDone,    TaskState::kFailed, TaskState::kCancelled};
constexpr std::array kWorkerStates = {jobs::WorkerState::kLoading, jobs::WorkerState::kReady,
                                      jobs::WorkerState::kDraining};
constexpr std::array kEvents = {
    "job_submitted", "job_ended",      "task_leased",   "task_committed", "task_failed",     "host_failed",
    "task_requeued", "task_cancelled", "lease_expired", "lease_released", "inputs_lost",     "stale_result",
    "worker_joined", "worker_ready",   "worker_left",   "worker_lost",    "worker_set_aside"};
// Why hosts cannot do tasks; what is none of these is `other`.
constexpr std::array kHostFailures = {"not_found", "failed_precondition", "input_changed",
                                      "resource_exhausted", "other"};

// The code before the message of a failure.
std::string_view code_in(const std::string& detail) {
  return std::string_view(detail).substr(0, detail.find(':'));
}

bool is_set_aside_somewhere(const State& state, const Worker& worker) {
  return std::any_of(worker.strikes.begin(), worker.strikes.end(), [&](const auto& entry) {
    return !state.jobs.at(entry.first).ended && is_set_aside(state, worker, entry.first);
  });
}

}  // namespace

ServerMetrics::ServerMetrics(monitoring::Metrics& metrics)
    : queue_depth_(
          metrics.gauge("mimicfleet_queue_depth", "Tasks that could start now but wait for a worker")),
      epoch_(metrics.gauge("mimicfleet_coordinator_epoch", "How many times this state was opened")),
      lease_expiries_(
          metrics.counter("mimicfleet_lease_expiries_total", "Leases whose worker fell silent or stalled")),
      set_aside_(metrics.gauge("mimicfleet_workers_set_aside",
                               "Workers that get nothing more of an open job because of their host")) {
  for (const TaskState state : kTaskStates) {
    tasks_.emplace(state, metrics.gauge("mimicfleet_tasks", "Tasks by state",
                                        {{"state", std::string(to_string(state))}}));
  }
  for (const bool ended : {false, true}) {
    jobs_.emplace(ended,
                  metrics.gauge("mimicfleet_jobs", "Jobs by state", {{"state", ended ? "ended" : "open"}}));
  }
  for (const auto state : kWorkerStates) {
    workers_.emplace(state, metrics.gauge("mimicfleet_workers", "Workers by state",
                                          {{"state", std::string(to_string(state))}}));
  }
  for (const char* reason : kHostFailures) {
    host_failures_.emplace(
        reason, metrics.counter("mimicfleet_host_failures_total",
                                "Tasks that a worker's host could not do, by reason", {{"reason", reason}}));
  }
  for (const char* kind : kEvents) {
    events_.emplace(kind,
                    metrics.counter("mimicfleet_events_total", "Entries of the event log", {{"kind", kind}}));
  }
}

void ServerMetrics::observe(const State& state, const std::vector<jobs::Event>& events) {
  for (const auto& event : events) {
    if (const auto counter = events_.find(event.kind); counter != events_.end()) counter->second.add();
    if (event.kind == "lease_expired") lease_expiries_.add();
    if (event.kind == "host_failed") {
      const auto reason = host_failures_.find(code_in(event.detail));
      (reason == host_failures_.end() ? host_failures_.at("other") : reason->second).add();
    }
  }
  epoch_.set(static_cast<double>(state.epoch));
  if (events.empty()) return;
  queue_depth_.set(static_cast<double>(state.ready.size()));
  jobs::TaskCounts counts;
  std::map<bool, double> jobs;
  for (const auto& [id, job] : state.jobs) {
    jobs[job.ended] += 1;
    auto copy = job.counts;
    for (const TaskState task_state : kTaskStates) count(counts, task_state) += count(copy, task_state);
  }
  for (const auto& [task_state, gauge] : tasks_) gauge.set(count(counts, task_state));
  for (const auto& [ended, gauge] : jobs_) gauge.set(jobs[ended]);
  std::map<jobs::WorkerState, double> workers;
  for (const auto& [id, worker] : state.workers) workers[worker.state] += 1;
  for (const auto& [worker_state, gauge] : workers_) gauge.set(workers[worker_state]);
  set_aside_.set(
      static_cast<double>(std::count_if(state.workers.begin(), state.workers.end(), [&](const auto& entry) {
        return is_set_aside_somewhere(state, entry.second);
      })));
}

}  // namespace mimicfleet::coordinator
