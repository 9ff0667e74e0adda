#include "coordinator/server/server_metrics.h"

#include <array>

#include "coordinator/scheduler/transitions.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::array kTaskStates = {TaskState::kWaiting, TaskState::kReady,  TaskState::kRunning,
                                    TaskState::kDone,    TaskState::kFailed, TaskState::kCancelled};
constexpr std::array kWorkerStates = {jobs::WorkerState::kLoading, jobs::WorkerState::kReady,
                                      jobs::WorkerState::kDraining};
constexpr std::array kEvents = {"job_submitted",  "job_ended",     "task_leased",    "task_committed",
                                "task_failed",    "task_requeued", "task_cancelled", "lease_expired",
                                "lease_released", "inputs_lost",   "stale_result",   "worker_joined",
                                "worker_ready",   "worker_left",   "worker_lost"};

}  // namespace

ServerMetrics::ServerMetrics(monitoring::Metrics& metrics)
    : queue_depth_(
          metrics.gauge("mimicfleet_queue_depth", "Tasks that could start now but wait for a worker")),
      epoch_(metrics.gauge("mimicfleet_coordinator_epoch", "How many times this state was opened")),
      lease_expiries_(
          metrics.counter("mimicfleet_lease_expiries_total", "Leases whose worker fell silent or stalled")) {
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
  for (const char* kind : kEvents) {
    events_.emplace(kind,
                    metrics.counter("mimicfleet_events_total", "Entries of the event log", {{"kind", kind}}));
  }
}

void ServerMetrics::observe(const State& state, const std::vector<jobs::Event>& events) {
  for (const auto& event : events) {
    if (const auto counter = events_.find(event.kind); counter != events_.end()) counter->second.add();
    if (event.kind == "lease_expired") lease_expiries_.add();
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
}

}  // namespace mimicfleet::coordinator
