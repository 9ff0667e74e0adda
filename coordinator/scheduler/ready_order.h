#pragma once

#include <cstdint>

#include "jobs/task.h"

namespace mimicfleet::coordinator {

// Ready tasks in the order in which they should start: priority, then finishing started clips
// before starting new ones, then first come.
struct ReadyOrder {
  std::int32_t priority = 0;
  jobs::TaskKind kind = jobs::TaskKind::kEncodeLatents;
  std::uint64_t job_number = 0;
  std::uint64_t position = 0;  // in the job
  jobs::TaskId task;

  // Among the tasks of one group any may start first.
  [[nodiscard]] bool same_group(const ReadyOrder& other) const {
    return priority == other.priority && job_number == other.job_number && kind == other.kind;
  }

  friend bool operator<(const ReadyOrder& a, const ReadyOrder& b) {
    if (a.priority != b.priority) return a.priority > b.priority;
    if (a.job_number != b.job_number) return a.job_number < b.job_number;
    if (a.kind != b.kind) return a.kind == jobs::TaskKind::kDecodeVideo;
    if (a.position != b.position) return a.position < b.position;
    return a.task < b.task;
  }
};

}  // namespace mimicfleet::coordinator
