#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/enum_names.h"
#include "jobs/task.h"

namespace mimicfleet::coordinator {

enum class Expiry {
  kSilent,      // the worker, or about this task
  kStalled,     // it beat, and the task did not move
  kNotStarted,  // the grant got lost on its way
};
constexpr EnumNames<Expiry, 3> enum_names(Expiry) {
  return {{{Expiry::kSilent, "silent"},
           {Expiry::kStalled, "stalled"},
           {Expiry::kNotStarted, "not_started"}}};
}

struct TaskEnd {
  jobs::TaskKind kind{};
  jobs::TaskState state{};   // a terminal one
  std::uint64_t frames = 0;  // of the video that was made
};

struct TaskWait {
  jobs::TaskKind kind{};
  double seconds = 0;  // from ready to leased
};

// A worker that fell silent, and was not about to leave.
struct WorkerLoss {
  std::string name;
  std::string host;
  std::string device;
  std::string slurm_job_id;
  Instant last_heard{};
};

// What there is to count of decisions, for the metrics. It counts once it is stored: what was
// decided and lost did not happen.
struct Tally {
  std::vector<TaskEnd> tasks_ended;
  std::vector<TaskWait> waits;
  std::vector<jobs::TaskKind> attempts_failed;
  std::uint64_t steps = 0;  // of stages, that tasks came to
  std::vector<Expiry> expiries;
  std::vector<WorkerLoss> losses;
  std::vector<jobs::TaskState> jobs_ended;
  bool jobs_changed = false;  // one was submitted, ended or opened again

  void add(const Tally& other) {
    append(tasks_ended, other.tasks_ended);
    append(waits, other.waits);
    append(attempts_failed, other.attempts_failed);
    steps += other.steps;
    append(expiries, other.expiries);
    append(losses, other.losses);
    append(jobs_ended, other.jobs_ended);
    jobs_changed = jobs_changed || other.jobs_changed;
  }

 private:
  template <typename T>
  static void append(std::vector<T>& all, const std::vector<T>& more) {
    all.insert(all.end(), more.begin(), more.end());
  }
};

}  // namespace mimicfleet::coordinator
