#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "jobs/plan.h"
#include "jobs/task.h"

// The bodies of all messages, grouped by who sends them. docs/protocol.md says when each is sent
// and what it promises. Every request is answered by its reply type or by ErrorReply. Durations
// travel, never clock times.
namespace mimicfleet::jobs {

// ---- any peer
// -----------------------------------------------------------------------------------------------

struct ErrorReply {
  static constexpr std::string_view kType = "error";
  Status status;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("status", self.status);
  }
};

struct OkReply {
  static constexpr std::string_view kType = "ok";
  template <typename Self, typename Fields>
  static void fields(Self&, Fields&) {}
};

// ---- worker to coordinator
// ----------------------------------------------------------------------------------

enum class WorkerState { kLoading, kReady, kDraining, kLost };
[[nodiscard]] std::string_view to_string(WorkerState state);
[[nodiscard]] std::optional<WorkerState> enum_from(std::string_view name, WorkerState*);

// Introduces one incarnation of a worker process. Sent first, and again whenever the coordinator
// does not know the worker (it restarted) or the worker's models became known.
struct WorkerHello {
  static constexpr std::string_view kType = "worker_hello";
  WorkerId worker;
  std::string name;  // for people: host and device
  std::string host;
  std::int64_t pid = 0;
  std::string version;                 // of the program
  std::string device;                  // "cpu", "cuda:0"
  std::string data_endpoint;           // where other workers fetch artefacts
  std::string metrics_endpoint;        // HOST:PORT, for Prometheus; empty: none
  std::string slurm_job_id;            // of the allocation that it runs in; empty: none
  NumericsClass numerics;              // known once the device is open
  std::vector<TaskKind> kinds;         // what it is willing to do
  std::vector<std::string> abilities;  // settings that it knows (jobs/abilities.h)
  std::vector<ModelSet> model_sets;
  std::vector<std::string> model_folders;  // where each of these lies on the worker's host
  std::vector<ArtefactRef> artefacts;      // latents it holds
  std::vector<TaskProgress> running;       // leases it still works on
  std::vector<HeldFeature>
      features;  // in its cache, those used last first; not all if they are many
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
    field("name", self.name);
    field("host", self.host);
    field("pid", self.pid);
    field("version", self.version);
    field("device", self.device);
    field("data_endpoint", self.data_endpoint);
    field("metrics_endpoint", self.metrics_endpoint);
    field("slurm_job_id", self.slurm_job_id);
    field("numerics", self.numerics);
    field("kinds", self.kinds);
    field("abilities", self.abilities);
    field("model_sets", self.model_sets);
    field("model_folders", self.model_folders);
    field("artefacts", self.artefacts);
    field("running", self.running);
    field("features", self.features);
  }
};

struct WorkerWelcome {
  static constexpr std::string_view kType = "worker_welcome";
  std::uint64_t epoch = 0;  // of the coordinator; a worker obeys no lower one afterwards
  std::uint32_t heartbeat_ms = 1000;
  std::uint32_t lease_ms = 10000;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("epoch", self.epoch);
    field("heartbeat_ms", self.heartbeat_ms);
    field("lease_ms", self.lease_ms);
  }
};

// Every heartbeat_ms, and at once when a step or stage ends. Renews the leases that it lists.
struct WorkerHeartbeat {
  static constexpr std::string_view kType = "worker_heartbeat";
  WorkerId worker;
  WorkerState state = WorkerState::kLoading;
  std::uint32_t free_slots = 0;  // how many more leases it would take now
  std::vector<TaskProgress> running;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
    field("state", self.state);
    field("free_slots", self.free_slots);
    field("running", self.running);
  }
};

struct TaskAttempt {
  TaskId task;
  std::uint32_t attempt = 0;
  friend auto operator<=>(const TaskAttempt&, const TaskAttempt&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("task", self.task);
    field("attempt", self.attempt);
  }
};

struct HeartbeatReply {
  static constexpr std::string_view kType = "heartbeat_reply";
  std::uint64_t epoch = 0;
  std::vector<TaskAttempt> revoked;  // stop these: cancelled, or given to another worker
  bool drain = false;                // take no more and leave when done
  bool stop = false;                 // leave now, handing leases back
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("epoch", self.epoch);
    field("revoked", self.revoked);
    field("drain", self.drain);
    field("stop", self.stop);
  }
};

// Repeated until it is answered. OkReply also when it was committed before; kFailedPrecondition
// when the attempt is no longer current (the result is then thrown away).
struct TaskCompleted {
  static constexpr std::string_view kType = "task_completed";
  WorkerId worker;
  std::uint64_t epoch = 0;
  TaskAttempt attempt;
  TaskResult result;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
    field("epoch", self.epoch);
    field("attempt", self.attempt);
    field("result", self.result);
  }
};

// The attempt failed (`status`), or is handed back untouched (`released`, which costs no attempt).
// `lost_inputs`: artefacts that no holder could deliver to this worker. `of_host`: it is the
// worker's host that lacks something, such as a folder or disk space; another worker is asked.
struct TaskFailed {
  static constexpr std::string_view kType = "task_failed";
  WorkerId worker;
  std::uint64_t epoch = 0;
  TaskAttempt attempt;
  Status status;
  bool released = false;
  std::vector<Digest> lost_inputs;
  bool of_host = false;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
    field("epoch", self.epoch);
    field("attempt", self.attempt);
    field("status", self.status);
    field("released", self.released);
    field("lost_inputs", self.lost_inputs);
    field("of_host", self.of_host);
  }
};

// The worker leaves in good order; what it still holds goes back without penalty.
struct WorkerGoodbye {
  static constexpr std::string_view kType = "worker_goodbye";
  WorkerId worker;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
  }
};

// ---- coordinator to worker
// ----------------------------------------------------------------------------------

// An input of a task: which artefact, who holds it, and how it was made (for the output's record).
// A file that keeps the latents in half precision is good enough for a film, which is joined from
// those.
struct TaskInput {
  ArtefactRef artefact;
  std::vector<std::string> holders;  // data endpoints
  std::optional<FileRef> saved;
  TaskResult made_by;
  std::string made_by_worker;
  std::uint32_t made_by_attempt = 0;
  FileRef driving;
  FileRef reference;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("artefact", self.artefact);
    field("holders", self.holders);
    field("saved", self.saved);
    field("made_by", self.made_by);
    field("made_by_worker", self.made_by_worker);
    field("made_by_attempt", self.made_by_attempt);
    field("driving", self.driving);
    field("reference", self.reference);
  }
};

// The right to run one attempt of a task. Sent unasked to a worker with free slots.
struct LeaseGrant {
  static constexpr std::string_view kType = "lease_grant";
  std::uint64_t epoch = 0;
  std::uint32_t attempt = 0;
  TaskSpec spec;
  // Of a decode in the order of spec.needs. Of an encode with reuse_latents: what it would make, if
  // somebody holds it.
  std::vector<TaskInput> inputs;
  ModelSet models;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("epoch", self.epoch);
    field("attempt", self.attempt);
    field("spec", self.spec);
    field("inputs", self.inputs);
    field("models", self.models);
  }
};

// ---- worker to worker (data port)
// ---------------------------------------------------------------------------

// Asks for a piece of an artefact; the reply's second frame carries the bytes.
struct ArtefactRead {
  static constexpr std::string_view kType = "artefact_read";
  Digest key;
  Digest content;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("key", self.key);
    field("content", self.content);
    field("offset", self.offset);
    field("bytes", self.bytes);
  }
};

struct ArtefactChunk {
  static constexpr std::string_view kType = "artefact_chunk";
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;  // of the whole artefact
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("offset", self.offset);
    field("size_bytes", self.size_bytes);
  }
};

}  // namespace mimicfleet::jobs
