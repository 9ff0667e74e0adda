#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/messages.h"

// Messages between a client (`coordinator submit`, `job`, `task`, `worker`) and the coordinator.
namespace mimicfleet::jobs {

struct ServerInfoRequest {
  static constexpr std::string_view kType = "server_info";
  template <typename Self, typename Fields>
  static void fields(Self&, Fields&) {}
};

struct ServerInfo {
  static constexpr std::string_view kType = "server_info_reply";
  std::string version;
  std::uint64_t epoch = 0;
  std::int64_t pid = 0;
  std::string host;
  std::string state_dir;
  double up_seconds = 0;
  std::vector<ModelSet> model_sets;  // of all workers that are there
  // Id of a set -> where it lies on workers' hosts.
  std::map<std::string, std::vector<std::string>> model_folders;
  std::uint32_t workers = 0;
  std::vector<std::string> abilities;  // settings that it knows (jobs/abilities.h)
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("version", self.version);
    field("epoch", self.epoch);
    field("pid", self.pid);
    field("host", self.host);
    field("state_dir", self.state_dir);
    field("up_seconds", self.up_seconds);
    field("model_sets", self.model_sets);
    field("model_folders", self.model_folders);
    field("workers", self.workers);
    field("abilities", self.abilities);
  }
};

// Making the same request twice (same RequestId) makes one job. A long job comes in parts of at
// most kClipsPerPart clips or segments of films (clips first): the first has a nil `job`, the
// others the id that the first was answered with; nothing runs before the part with `last`.
struct JobSubmit {
  static constexpr std::string_view kType = "job_submit";
  static constexpr std::size_t kClipsPerPart = 1000;
  JobId job;
  JobPlan plan;
  bool last = true;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("plan", self.plan);
    field("last", self.last);
  }
};

struct JobAccepted {
  static constexpr std::string_view kType = "job_accepted";
  JobId job;
  std::uint64_t number = 0;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("number", self.number);
  }
};

struct TaskCounts {
  std::uint32_t waiting = 0;
  std::uint32_t ready = 0;
  std::uint32_t running = 0;
  std::uint32_t done = 0;
  std::uint32_t failed = 0;
  std::uint32_t cancelled = 0;
  [[nodiscard]] std::uint32_t total() const {
    return waiting + ready + running + done + failed + cancelled;
  }
  [[nodiscard]] std::uint32_t ended() const { return done + failed + cancelled; }
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("waiting", self.waiting);
    field("ready", self.ready);
    field("running", self.running);
    field("done", self.done);
    field("failed", self.failed);
    field("cancelled", self.cancelled);
  }
};

struct JobSummary {
  JobId job;
  std::uint64_t number = 0;
  std::string name;
  TaskState state = TaskState::kReady;  // kReady until a task runs; terminal once all tasks are
  TaskCounts tasks;
  TaskCounts videos;  // the decodes, and the encodes whose latents only are kept
  std::int32_t priority = 0;
  double age_seconds = 0;              // since it was submitted
  std::int64_t submitted_wall_ms = 0;  // for people only; 0: not known
  std::string output_dir;              // of its first task
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("number", self.number);
    field("name", self.name);
    field("state", self.state);
    field("tasks", self.tasks);
    field("videos", self.videos);
    field("priority", self.priority);
    field("age_seconds", self.age_seconds);
    field("submitted_wall_ms", self.submitted_wall_ms);
    field("output_dir", self.output_dir);
  }
};

// `selector`: a number, a range `2-5`, `last`, or `all`.
struct JobListRequest {
  static constexpr std::string_view kType = "job_list";
  std::string selector = "all";
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("selector", self.selector);
  }
};

struct JobList {
  static constexpr std::string_view kType = "job_list_reply";
  std::vector<JobSummary> jobs;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("jobs", self.jobs);
  }
};

struct TaskInfo {
  TaskSpec spec;
  TaskState state = TaskState::kWaiting;
  std::uint32_t attempt = 0;
  std::string worker;  // of the current or last attempt
  TaskProgress progress;
  Status error;  // of the last failed attempt
  TaskResult result;
  double run_seconds = 0;
  std::string why;     // a sentence: what it waits for
  bool stuck = false;  // nobody who is there can do it, nor what it waits for
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("spec", self.spec);
    field("state", self.state);
    field("attempt", self.attempt);
    field("worker", self.worker);
    field("progress", self.progress);
    field("error", self.error);
    field("result", self.result);
    field("run_seconds", self.run_seconds);
    field("why", self.why);
    field("stuck", self.stuck);
  }
};

// Tasks of a job in pages: those from position `first` on, at most `count`.
struct TaskListRequest {
  static constexpr std::string_view kType = "task_list";
  JobId job;
  std::uint32_t first = 0;
  std::uint32_t count = 1000;
  bool only_unfinished = false;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("first", self.first);
    field("count", self.count);
    field("only_unfinished", self.only_unfinished);
  }
};

struct TaskList {
  static constexpr std::string_view kType = "task_list_reply";
  std::uint32_t total = 0;
  std::vector<TaskInfo> tasks;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("total", self.total);
    field("tasks", self.tasks);
  }
};

// What happened, in the order in which it was committed; never changed afterwards.
struct Event {
  std::uint64_t sequence = 0;
  std::uint64_t epoch = 0;
  std::string
      kind;  // job_submitted task_leased task_committed task_failed host_failed lease_expired
             // lease_released task_requeued stale_result task_cancelled job_ended worker_joined …
  std::uint64_t job = 0;  // number
  std::string task;       // id
  std::string name;
  TaskKind task_kind = TaskKind::kEncodeLatents;
  std::uint32_t attempt = 0;
  std::string worker;
  std::string host;  // of the worker
  std::string detail;
  std::int64_t wall_time_ms = 0;  // for people only
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("sequence", self.sequence);
    field("epoch", self.epoch);
    field("kind", self.kind);
    field("job", self.job);
    field("task", self.task);
    field("name", self.name);
    field("task_kind", self.task_kind);
    field("attempt", self.attempt);
    field("worker", self.worker);
    field("host", self.host);
    field("detail", self.detail);
    field("wall_time_ms", self.wall_time_ms);
  }
};

// Events after `after`, at most `count`; with a job only its own.
struct EventsRequest {
  static constexpr std::string_view kType = "events";
  JobId job;  // nil: all
  std::uint64_t after = 0;
  std::uint32_t count = 1000;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("after", self.after);
    field("count", self.count);
  }
};

struct Events {
  static constexpr std::string_view kType = "events_reply";
  std::vector<Event> events;
  std::uint64_t last = 0;  // where the next request goes on
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("events", self.events);
    field("last", self.last);
  }
};

struct JobCancel {
  static constexpr std::string_view kType = "job_cancel";
  std::string selector;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("selector", self.selector);
  }
};

// Failed and cancelled tasks of the selected jobs become ready again with fresh attempts. Answered
// by JobList.
struct JobRetry {
  static constexpr std::string_view kType = "job_retry";
  std::string selector;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("selector", self.selector);
  }
};

// Who holds the latents of these encodes, by TaskSpec::key.
struct HeldLatentsRequest {
  static constexpr std::string_view kType = "held_latents";
  std::vector<Digest> keys;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("keys", self.keys);
  }
};

struct HeldLatents {
  static constexpr std::string_view kType = "held_latents_reply";
  std::vector<std::string> workers;  // the name of one for each key; empty: nobody
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("workers", self.workers);
  }
};

struct WorkerListRequest {
  static constexpr std::string_view kType = "worker_list";
  template <typename Self, typename Fields>
  static void fields(Self&, Fields&) {}
};

// Tasks of a job that a worker's host could not do. After three the worker gets no more of that job
// while another can.
struct HostTrouble {
  std::uint64_t job = 0;  // number
  std::uint32_t tasks = 0;
  bool set_aside = false;
  Status last;
  bool ended = false;  // the job
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("job", self.job);
    field("tasks", self.tasks);
    field("set_aside", self.set_aside);
    field("last", self.last);
    field("ended", self.ended);
  }
};

struct WorkerInfo {
  WorkerHello hello;
  WorkerState state = WorkerState::kLoading;
  double silent_seconds = 0;
  double up_seconds = 0;
  std::uint32_t tasks_done = 0;
  std::uint32_t tasks_failed = 0;
  std::vector<TaskProgress> running;
  std::vector<HostTrouble> trouble;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("hello", self.hello);
    field("state", self.state);
    field("silent_seconds", self.silent_seconds);
    field("up_seconds", self.up_seconds);
    field("tasks_done", self.tasks_done);
    field("tasks_failed", self.tasks_failed);
    field("running", self.running);
    field("trouble", self.trouble);
  }
};

struct WorkerList {
  static constexpr std::string_view kType = "worker_list_reply";
  std::vector<WorkerInfo> workers;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("workers", self.workers);
  }
};

// Which of these features workers hold. At most kTagsPerRequest a request.
struct FeatureQuery {
  static constexpr std::string_view kType = "feature_query";
  static constexpr std::size_t kTagsPerRequest = 50'000;
  std::vector<std::uint64_t> tags;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("tags", self.tags);
  }
};

struct FeatureHolders {
  static constexpr std::string_view kType = "feature_query_reply";
  std::vector<HeldFeature> held;  // by any worker; others have to be made
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("held", self.held);
  }
};

// `worker`: name or id, or `all`. `drain`: finish what runs first.
struct WorkerStop {
  static constexpr std::string_view kType = "worker_stop";
  std::string worker;
  bool drain = false;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("worker", self.worker);
    field("drain", self.drain);
  }
};

}  // namespace mimicfleet::jobs
