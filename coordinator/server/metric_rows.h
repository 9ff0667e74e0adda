#pragma once

#include <array>
#include <string>
#include <vector>

#include "coordinator/server/server.h"
#include "jobs/events.h"
#include "monitoring/metrics.h"

namespace mimicfleet::coordinator {

inline constexpr std::array kOpenStates = {TaskState::kWaiting, TaskState::kReady,
                                           TaskState::kRunning};
inline constexpr std::array kEndStates = {TaskState::kDone, TaskState::kFailed,
                                          TaskState::kCancelled};
inline constexpr std::array kJobStates = {TaskState::kRunning, TaskState::kDone, TaskState::kFailed,
                                          TaskState::kCancelled};
inline constexpr const char* kOther =
    "other";  // reasons and hosts that have no series of their own

// What the coordinator tells Prometheus: a metric is a row, and server_metrics.cpp sets it.
struct MetricRows {
  // `metrics` must outlive this object.
  explicit MetricRows(monitoring::Metrics& metrics) : registry(metrics) {}

  monitoring::Metrics& registry;

  // ---- tasks
  monitoring::Family<monitoring::Gauge> tasks =
      registry.gauges("mimicfleet_tasks", "Tasks that are not over, by kind and state",
                      monitoring::every({monitoring::label<TaskKind>("kind"),
                                         monitoring::label("state", kOpenStates)}));
  monitoring::Family<monitoring::Counter> tasks_ended = registry.counters(
      "mimicfleet_tasks_ended_total", "Tasks that came to an end, by kind and outcome",
      monitoring::every(
          {monitoring::label<TaskKind>("kind"), monitoring::label("state", kEndStates)}));
  monitoring::Family<monitoring::Counter> attempts_failed =
      registry.counters("mimicfleet_task_attempts_failed_total",
                        "Attempts at tasks that failed, or whose lease expired",
                        monitoring::every({monitoring::label<TaskKind>("kind")}));
  // From a worker that waits for work to a night's queue.
  monitoring::Family<monitoring::Histogram> waits = registry.histograms(
      "mimicfleet_task_wait_seconds",
      "Seconds from when a task could start to when a worker got it",
      monitoring::bucketed(
          monitoring::every({monitoring::label<TaskKind>("kind")}),
          {0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 1800, 3600, 14400, 43200, 86400}));
  monitoring::ReadGauges oldest_ready = registry.read_gauges(
      "mimicfleet_oldest_ready_task_age_seconds",
      "For how long the task has waited that could start and has waited longest; 0 without one");
  monitoring::Counter steps =
      registry.counter("mimicfleet_task_steps_total",
                       "Stages and steps of stages that tasks came to, as their workers told");
  monitoring::Counter work_seconds = registry.counter(
      "mimicfleet_work_seconds_total", "Seconds in which at least one task was open");
  monitoring::Counter videos_made =
      registry.counter("mimicfleet_videos_made_total", "Videos that workers finished");
  monitoring::Counter frames_made =
      registry.counter("mimicfleet_frames_made_total", "Frames of the videos that were finished");

  // ---- leases and workers
  monitoring::Gauge lease =
      registry.gauge("mimicfleet_lease_seconds",
                     "A worker that is silent for so long has lost its tasks (--lease-ms)");
  monitoring::Family<monitoring::Counter> lease_expiries = registry.counters(
      "mimicfleet_lease_expiries_total",
      "Leases that were taken back: their worker fell silent, it made no progress, or the grant "
      "never reached it",
      monitoring::every({monitoring::label<Expiry>("reason")}));
  monitoring::Family<monitoring::Gauge> workers =
      registry.gauges("mimicfleet_workers", "Workers that are there, by state",
                      monitoring::every({monitoring::label<jobs::WorkerState>("state")}));
  monitoring::Gauge set_aside =
      registry.gauge("mimicfleet_workers_set_aside",
                     "Workers that get nothing more of an open job because of their host");
  monitoring::Family<monitoring::Counter> host_failures = registry.counters(
      "mimicfleet_host_failures_total", "Tasks that a worker's host could not do, by reason",
      monitoring::every(
          {{"reason",
            {"not_found", "failed_precondition", "input_changed", "resource_exhausted", kOther}}}));
  monitoring::OpenCounters workers_joined =
      registry.open_counters("mimicfleet_workers_joined_total", "Workers that came, by host");
  monitoring::OpenCounters workers_left = registry.open_counters(
      "mimicfleet_workers_left_total",
      "Workers that left, by host, and whether they said goodbye or were lost");
  monitoring::ReadGauges last_heard = registry.read_gauges("mimicfleet_worker_last_heard_seconds",
                                                           "Seconds since a worker was heard");
  monitoring::ReadGauges lost = registry.read_gauges(
      "mimicfleet_worker_lost_seconds",
      "Seconds since a worker fell silent in whose place none has come; for a day at most, and for "
      "an hour if a Slurm job had started it");

  // ---- the coordinator
  monitoring::Gauge epoch = registry.gauge(
      "mimicfleet_coordinator_epoch", "How many times a coordinator was started on this state");
  monitoring::Family<monitoring::Counter> events =
      registry.counters("mimicfleet_events_total", "Entries of the event log, by kind",
                        monitoring::every({monitoring::label<jobs::EventKind>("kind")}));
  monitoring::Family<monitoring::Counter> messages = registry.counters(
      "mimicfleet_messages_received_total", "Messages of workers and clients, by type",
      monitoring::every({message_types()}));
  monitoring::Family<monitoring::Counter> refusals = registry.counters(
      "mimicfleet_messages_refused_total", "Messages that were answered with an error, by reason",
      monitoring::every({monitoring::label<Refusal>("reason")}));
  // From an SSD's sync to a network disk in trouble.
  monitoring::Histogram store_writes = registry.histogram(
      "mimicfleet_store_write_duration_seconds",
      "Seconds until a change of the state was safe on the disk",
      {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10});
  monitoring::Counter store_failures =
      registry.counter("mimicfleet_store_write_failures_total",
                       "Attempts to write the state that failed; each is repeated");
  monitoring::ReadGauges state_bytes =
      registry.read_gauges("mimicfleet_state_bytes", "Bytes of all files in the state folder");

  // ---- jobs
  monitoring::Family<monitoring::Gauge> jobs =
      registry.gauges("mimicfleet_jobs", "Jobs of the state folder, by state",
                      monitoring::every({monitoring::label("state", kJobStates)}));
  monitoring::Family<monitoring::Counter> jobs_ended =
      registry.counters("mimicfleet_jobs_ended_total", "Jobs that came to an end, by outcome",
                        monitoring::every({monitoring::label("state", kEndStates)}));
  monitoring::ReadGauges job_tasks = of_jobs("mimicfleet_job_tasks", "Tasks of a job, by state");
  monitoring::ReadGauges job_videos_made =
      of_jobs("mimicfleet_job_videos_made", "Videos of a job that are finished");
  monitoring::ReadGauges job_videos_failed =
      of_jobs("mimicfleet_job_videos_failed", "Videos of a job that could not be made");
  monitoring::ReadGauges job_frames_made =
      of_jobs("mimicfleet_job_frames_made", "Frames of the videos of a job that are finished");
  monitoring::ReadGauges job_age = of_jobs(
      "mimicfleet_job_age_seconds", "Seconds from a job's submission until now, or until it ended");

 private:
  [[nodiscard]] static monitoring::Label message_types() {
    monitoring::Label types{"type", {}};
    for (const std::string_view type : Server::message_types()) types.values.emplace_back(type);
    return types;
  }
  [[nodiscard]] monitoring::ReadGauges of_jobs(const std::string& name, const std::string& help) {
    return registry.read_gauges(
        name, help + "; of open jobs and those that ended within an hour, the newest 50");
  }
};

}  // namespace mimicfleet::coordinator
