#pragma once

#include <string>
#include <variant>
#include <vector>

#include "coordinator/scheduler/state.h"
#include "coordinator/scheduler/tally.h"

// The scheduler: a pure function of state, event and time. It never waits, sends, reads or writes;
// the caller stores what changed, then sends what is to be sent, in this order.
namespace mimicfleet::coordinator {

struct JobSubmitted {
  Job job;
  std::vector<jobs::TaskSpec> tasks;
};
struct CancelJob {
  JobId job;
};
struct RetryJob {
  JobId job;
};
struct StopWorker {
  WorkerId worker;
  bool drain = false;
};
struct Tick {};  // time passed; all messages that had arrived by now were handled before

using Input =
    std::variant<JobSubmitted, CancelJob, RetryJob, jobs::WorkerHello, jobs::WorkerHeartbeat,
                 jobs::TaskCompleted, jobs::TaskFailed, jobs::WorkerGoodbye, StopWorker, Tick>;

struct Grant {
  WorkerId worker;
  jobs::LeaseGrant lease;
};

// What follows from an input.
struct Decision {
  Status reply;                       // to the sender of the input
  std::vector<TaskAttempt> revoked;   // heartbeats: listed by the worker, but not its any more
  std::vector<TaskId> changed_tasks;  // to be stored
  std::vector<JobId> changed_jobs;    // to be stored
  std::vector<jobs::Event> events;    // to be stored with them; wall_time_ms is the caller's
  std::vector<Grant> grants;          // to be sent once all that is stored
  Tally tally;                        // to be counted then
};

[[nodiscard]] Decision decide(State& state, const Input& input, Instant now);

// Puts stored jobs and tasks back after a restart. Running attempts keep their lease for a while so
// that their workers can come back to them.
void restore(State& state, std::vector<Job> jobs, std::vector<Task> tasks, Instant now);

// True if nobody who is there can do the task, nor what it waits for: only another worker changes
// that.
[[nodiscard]] bool is_stuck(const State& state, const Task& task);

// A sentence for people: why the task is where it is, and what would change that.
[[nodiscard]] std::string explain(const State& state, const Task& task, Instant now);

}  // namespace mimicfleet::coordinator
