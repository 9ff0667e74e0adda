#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "coordinator/scheduler/affinity.h"
#include "jobs/client_messages.h"

// The coordinator's picture of the world: plain data that `decide` (decide.h) changes and nothing
// else does.
namespace mimicfleet::coordinator {

using jobs::TaskAttempt;
using jobs::TaskId;
using jobs::TaskKind;
using jobs::TaskState;

struct SchedulerConfig {
  Duration lease = std::chrono::seconds(10);  // without a heartbeat a lease ends after this
  Duration stall = std::chrono::minutes(30);  // without any progress, too
  Duration tick = std::chrono::milliseconds(250);
  Duration retry_delay = std::chrono::seconds(1);  // times the number of failures
  Duration grant_arrival =
      std::chrono::seconds(5);  // a grant that no heartbeat lists by then got lost
  std::uint32_t max_attempts = 3;
  // A worker whose host could not do so many tasks of a job gets no more of that job while another
  // can.
  std::uint32_t max_strikes = 3;
  // A task that the hosts of all workers that are there have refused waits so long for another one:
  // one that is started again, or still to come. So many times as long while a worker that did
  // tasks of its job is away.
  Duration refusal_grace = std::chrono::seconds(60);
  int graces_for_absent = 5;
  // A task waits for a worker that has what others would have to make or fetch first: so many times
  // the seconds that this would take, and at most so long; then any may have it. 0: it never waits,
  // and nobody is preferred.
  double affinity = 1;
  Duration affinity_at_most = std::chrono::seconds(60);
};

// An attempt that ended because the worker's host lacks something: a folder, a right, disk space.
struct HostFailure {
  WorkerId worker;
  std::string worker_name;
  std::string where;  // for people: the worker and its host
  Status status;
};

// One unit of work. What is above the line is stored before anybody is told of it.
struct Task {
  jobs::TaskSpec spec;
  std::uint64_t position = 0;  // in the job
  TaskState state = TaskState::kWaiting;
  std::uint32_t attempt = 0;     // number of the newest lease; only its holder may commit
  std::uint32_t failures = 0;    // attempts that failed or whose lease expired
  std::uint32_t recomputes = 0;  // times a finished encode ran again because its latents were lost
  WorkerId worker;               // of the newest attempt
  std::string worker_name;
  Status error;  // of the last failure
  jobs::TaskResult result;
  double run_seconds = 0;
  // ---- not stored
  std::vector<TaskId> needed_by;
  std::vector<std::uint64_t>
      wants;  // tags of the features that an encode would take from a cache, key points first
  jobs::TaskProgress progress;
  Instant leased_at{};
  Instant lease_expires{};
  Instant progressed_at{};
  Instant ready_since{};
  Instant not_before{};      // back-off after a failure
  std::string pauses_after;  // why: what came before the back-off
  WorkerId failed_on;        // another worker is tried first
  std::uint32_t losses = 0;  // attempts that could not get its inputs, since these were made
  std::vector<HostFailure> host_failures;  // their workers are not asked again
  Instant askable_until{};  // of a refused one: when a worker was last there to be asked

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("spec", self.spec);
    field("position", self.position);
    field("state", self.state);
    field("attempt", self.attempt);
    field("failures", self.failures);
    field("recomputes", self.recomputes);
    field("worker", self.worker);
    field("worker_name", self.worker_name);
    field("error", self.error);
    field("result", self.result);
    field("run_seconds", self.run_seconds);
  }
};

struct Job {
  JobId id;
  std::uint64_t number = 0;
  std::string name;
  RequestId request;  // that submitted it: the same request again is the same job
  jobs::ModelSet models;
  std::int32_t priority = 0;
  std::int64_t submitted_wall_ms = 0;  // for people
  bool ended = false;
  std::int64_t ended_wall_ms = 0;  // for people; 0: it did not, or that is not known
  // ---- not stored
  std::vector<TaskId> tasks;  // in the order of the plan
  jobs::TaskCounts counts;
  std::uint64_t videos_made = 0;
  std::uint64_t videos_failed = 0;
  std::uint64_t frames_made = 0;
  std::set<std::string> done_by;  // names of the workers that did tasks of it

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("id", self.id);
    field("number", self.number);
    field("name", self.name);
    field("request", self.request);
    field("models", self.models);
    field("priority", self.priority);
    field("submitted_wall_ms", self.submitted_wall_ms);
    field("ended", self.ended);
    field("ended_wall_ms", self.ended_wall_ms);
  }
};

// What a worker's host could not do of a job since the worker last did a task of the same kind.
struct Strikes {
  std::set<TaskId> tasks;
  Status last;
};

struct Worker {
  jobs::WorkerHello hello;
  bool data_port_is_local = false;  // only workers of its own host can fetch from it
  jobs::WorkerState state = jobs::WorkerState::kLoading;
  Instant joined{};
  Instant last_heard{};
  Instant progressed_at{};  // of any of its tasks
  std::uint32_t slots = 0;  // leases it can hold at once, beside those in `ending`
  std::set<TaskId> leases;
  std::set<TaskId> ending;  // of `leases`: they take no slot
  bool drain = false;
  bool stop = false;
  std::uint32_t tasks_done = 0;
  std::uint32_t tasks_failed = 0;
  std::map<JobId, Strikes> strikes;
};

struct State {
  SchedulerConfig config;
  std::uint64_t epoch = 0;
  std::uint64_t next_job_number = 1;
  std::uint64_t next_sequence = 1;  // of events
  Instant last_tick{};
  Instant replicas_known_at{};  // after a restart workers first say which latents they hold
  std::unordered_map<TaskId, Task> tasks;
  std::map<JobId, Job> jobs;
  std::map<WorkerId, Worker> workers;
  std::map<TaskKind, jobs::TaskCounts> counts;  // of all jobs
  std::set<ReadyOrder> ready;
  std::multiset<Instant> ready_since;  // of each of these
  std::set<TaskId> running;
  std::map<Digest, std::set<WorkerId>> replicas;  // content of an artefact -> workers that have it
  std::map<Digest, std::vector<jobs::ArtefactRef>>
      made;  // key of an encode -> what may be held of it
  // Content of an artefact -> workers that could not fetch it from those that hold it.
  std::map<Digest, std::set<WorkerId>> cannot_fetch;
  std::set<TaskId> refused;  // tasks with host_failures, and those whose latents are out of reach
  Affinity affinity;
};

}  // namespace mimicfleet::coordinator
