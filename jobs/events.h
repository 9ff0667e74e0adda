#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/enum_names.h"
#include "jobs/fact_table.h"

// The kinds of events: one table. A kind that is added here has its metric and a line in
// docs/protocol.md.
//
// Messages and the stored log have kinds as text: a program reads what a newer one wrote.
namespace mimicfleet::jobs {

enum class EventKind : std::uint8_t {
  kJobSubmitted,
  kJobEnded,
  kTaskLeased,
  kTaskCommitted,
  kTaskFailed,
  kHostFailed,
  kTaskRequeued,
  kTaskCancelled,
  kLeaseExpired,
  kLeaseReleased,
  kInputsLost,
  kStaleResult,
  kWorkerJoined,
  kWorkerReady,
  kWorkerLeft,
  kWorkerLost,
  kWorkerSetAside,
};

struct EventFacts {
  EventKind kind;
  std::string_view name;
  std::string_view help;
  enum class Of : std::uint8_t { kJob, kTask, kWorker } of;
  bool is_setback = false;  // the coordinator's log has it as a warning
};

inline constexpr std::array kEvents = {
    EventFacts{EventKind::kJobSubmitted, "job_submitted", "a job was stored", EventFacts::Of::kJob},
    EventFacts{EventKind::kJobEnded, "job_ended", "all tasks of a job have ended",
               EventFacts::Of::kJob},
    EventFacts{EventKind::kTaskLeased, "task_leased", "a worker got a task", EventFacts::Of::kTask},
    EventFacts{EventKind::kTaskCommitted, "task_committed", "the result of a task counts",
               EventFacts::Of::kTask},
    EventFacts{EventKind::kTaskFailed, "task_failed", "an attempt failed", EventFacts::Of::kTask,
               true},
    EventFacts{EventKind::kHostFailed, "host_failed",
               "an attempt failed because its worker's host lacks something; it does not count",
               EventFacts::Of::kTask, true},
    EventFacts{EventKind::kTaskRequeued, "task_requeued", "a task waits for another attempt",
               EventFacts::Of::kTask},
    EventFacts{EventKind::kTaskCancelled, "task_cancelled", "a user cancelled a task",
               EventFacts::Of::kTask},
    EventFacts{EventKind::kLeaseExpired, "lease_expired", "a lease was taken back from its worker",
               EventFacts::Of::kTask},
    EventFacts{EventKind::kLeaseReleased, "lease_released", "a worker gave a lease back",
               EventFacts::Of::kTask},
    EventFacts{EventKind::kInputsLost, "inputs_lost", "no worker could send the latents of a task",
               EventFacts::Of::kTask, true},
    EventFacts{EventKind::kStaleResult, "stale_result",
               "the result of an older attempt was refused", EventFacts::Of::kTask},
    EventFacts{EventKind::kWorkerJoined, "worker_joined", "a worker said hello",
               EventFacts::Of::kWorker},
    EventFacts{EventKind::kWorkerReady, "worker_ready", "a worker has loaded its models",
               EventFacts::Of::kWorker},
    EventFacts{EventKind::kWorkerLeft, "worker_left", "a worker said goodbye",
               EventFacts::Of::kWorker},
    EventFacts{EventKind::kWorkerLost, "worker_lost", "a worker was silent for a lease's length",
               EventFacts::Of::kWorker},
    EventFacts{EventKind::kWorkerSetAside, "worker_set_aside",
               "a worker gets no more tasks of a job because of its host", EventFacts::Of::kWorker,
               true},
};

constexpr auto enum_names(EventKind) { return names_of(kEvents, &EventFacts::kind); }

// Null: an event of another version.
[[nodiscard]] constexpr const EventFacts* find_event(std::string_view name) {
  return find_row(kEvents, name);
}

[[nodiscard]] constexpr bool is_event(std::string_view name, EventKind kind) {
  return name == to_string(kind);
}

}  // namespace mimicfleet::jobs
