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
  Duration lease = std::chrono::seconds(10);  // a lease ends after this time without a heartbeat
  Duration stall = std::chrono::minutes(30);  // and after this time without progress
  Duration tick = std::chrono::milliseconds(250);
  Duration retry_delay = std::chrono::seconds(1);  // times the number of failures
  // A grant that no heartbeat lists within this time counts as lost.
  Duration grant_arrival = std::chrono::seconds(5);
  std::uint32_t max_attempts = 3;
  // After this many tasks of a job that its host could not do, a worker gets no more tasks of that
  // job while another worker can do them.
  std::uint32_t max_strikes = 3;
  // How long a task that all present workers have refused waits for another worker. It waits
  // `graces_for_absent` times as long while a worker that did tasks of its job is away.
  Duration refusal_grace = std::chrono::seconds(60);
  int graces_for_absent = 5;
  // A task waits for a worker that already has its features or latents: `affinity` times the
  // seconds that another worker would need to make or fetch them, and at most `affinity_at_most`.
  // Then any worker may take it. 0: tasks never wait, and no worker is preferred.
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

// One unit of work. The members above the line are stored before any message tells of a change.
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
  // Tags of the features that an encode can take from a cache, key points first.
  std::vector<std::uint64_t> wants;
  jobs::TaskProgress progress;
  Instant leased_at{};
  Instant lease_expires{};
  Instant progressed_at{};
  Instant ready_since{};
  Instant not_before{};      // back-off after a failure
  std::string pauses_after;  // the reason of the back-off
  WorkerId failed_on;        // another worker is tried first
  std::uint32_t losses = 0;  // attempts that could not fetch its inputs since these were made
  std::vector<HostFailure> host_failures;  // these workers are not asked again
  Instant askable_until{};                 // of a refused task: when a worker could last be asked

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
  std::int64_t ended_wall_ms = 0;  // for people; 0: it has not ended, or the time is unknown
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

// Tasks of a job that a worker's host could not do since the worker last did a task of that kind.
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
  std::uint32_t slots = 0;  // leases that it can hold at once, without those in `ending`
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
  Instant replicas_known_at{};  // after a restart, workers first report their latents
  std::unordered_map<TaskId, Task> tasks;
  std::map<JobId, Job> jobs;
  std::map<WorkerId, Worker> workers;
  std::map<TaskKind, jobs::TaskCounts> counts;  // of all jobs
  std::set<ReadyOrder> ready;
  std::multiset<Instant> ready_since;  // of each of these
  std::set<TaskId> running;
  std::map<Digest, std::set<WorkerId>> replicas;  // content of an artefact -> workers that have it
  // Key of an encode -> artefacts with that key.
  std::map<Digest, std::vector<jobs::ArtefactRef>> made;
  // Content of an artefact -> workers that could not fetch it from those that hold it.
  std::map<Digest, std::set<WorkerId>> cannot_fetch;
  std::set<TaskId> refused;  // tasks with host_failures, and those whose latents are out of reach
  Affinity affinity;
};

}  // namespace mimicfleet::coordinator
