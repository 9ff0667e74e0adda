#include <unistd.h>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "common/host_name.h"
#include "common/log.h"
#include "coordinator/scheduler/placement.h"
#include "coordinator/scheduler/transitions.h"
#include "coordinator/server/selector.h"
#include "coordinator/server/server.h"
#include "jobs/abilities.h"

// What clients ask of the server.
namespace mimicfleet::coordinator {
namespace {

constexpr std::uint32_t kTasksPerPage = 200;
constexpr std::size_t kSegmentsPerPage = 2000;  // a film of many clips makes a long task
constexpr std::uint32_t kEventsPerPage = 2000;
constexpr std::size_t kAssemblingJobs = 64;

std::int64_t wall_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// What a user asked for: a video, or latents that are kept and of which no video is made.
bool is_result(const Task& task) {
  return task.spec.kind == TaskKind::kDecodeVideo || task.needed_by.empty();
}

void note_folders(const jobs::WorkerHello& hello, jobs::ServerInfo& info) {
  for (std::size_t i = 0; i < std::min(hello.model_sets.size(), hello.model_folders.size()); ++i) {
    auto& folders = info.model_folders[hello.model_sets[i].id.hex()];
    if (std::find(folders.begin(), folders.end(), hello.model_folders[i]) == folders.end()) {
      folders.push_back(hello.model_folders[i]);
    }
  }
}

}  // namespace

void Server::on_server_info(const wire::Envelope& request, const std::string& peer) {
  jobs::ServerInfo info;
  info.version = MIMICFLEET_VERSION;
  info.epoch = state_.epoch;
  info.pid = ::getpid();
  info.host = host_name();
  info.state_dir = state_dir_;
  info.up_seconds = to_seconds(clock_.now() - started_);
  info.abilities = jobs::known_abilities();
  info.workers = static_cast<std::uint32_t>(state_.workers.size());
  for (const auto& [id, worker] : state_.workers) {
    note_folders(worker.hello, info);
    for (const auto& set : worker.hello.model_sets) {
      const bool known = std::any_of(info.model_sets.begin(), info.model_sets.end(),
                                     [&](const auto& other) { return other.id == set.id; });
      if (!known) info.model_sets.push_back(set);
    }
  }
  reply(peer, request, info);
}

// The job is stored before the scheduler hears of it: on a full disk the submission is refused and
// nothing changes.
Result<Job> Server::store_new_job(const jobs::JobPlan& plan, JobId id, RequestId request,
                                  std::vector<jobs::TaskSpec>& tasks) {
  ASSIGN_OR_RETURN(tasks, jobs::make_tasks(plan, id));
  Job job;
  job.id = id;
  job.number = state_.next_job_number;
  job.name = plan.name;
  job.request = request;
  job.models = plan.models;
  job.priority = plan.priority;
  job.submitted_wall_ms = wall_ms();
  std::vector<Task> stored(tasks.size());
  std::vector<const Task*> pointers;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    stored[i].spec = tasks[i];
    stored[i].position = i;
    pointers.push_back(&stored[i]);
  }
  RETURN_IF_ERROR(store({&job}, pointers, {}));
  return job;
}

void Server::on_job_submit(const wire::Envelope& request, const std::string& peer) {
  auto submit = wire::body_as<jobs::JobSubmit>(request);
  if (!submit.ok()) return refuse_malformed(peer, request, submit.status());
  if (const auto known = submitted_.find(request.request); known != submitted_.end()) {
    const auto job = state_.jobs.find(known->second);
    return reply(
        peer, request,
        jobs::JobAccepted{known->second, job == state_.jobs.end() ? 0 : job->second.number});
  }
  JobId id = submit->job;
  if (id.is_nil()) {
    if (assembling_.size() >= kAssemblingJobs) {
      return refuse(
          peer, request,
          Status(StatusCode::kResourceExhausted, "too many jobs are being submitted at once"));
    }
    id = new_id<JobId>();
    assembling_.emplace(id, std::move(submit->plan));
  } else {
    const auto part = assembling_.find(id);
    if (part == assembling_.end()) {
      return refuse(
          peer, request,
          Status(StatusCode::kNotFound, "no such job is being submitted: submit it again"));
    }
    jobs::JobPlan& plan = part->second;
    std::move(submit->plan.clips.begin(), submit->plan.clips.end(), std::back_inserter(plan.clips));
    std::move(submit->plan.films.begin(), submit->plan.films.end(), std::back_inserter(plan.films));
  }
  submitted_[request.request] = id;
  if (!submit->last) return reply(peer, request, jobs::JobAccepted{id, 0});
  const jobs::JobPlan plan = std::move(assembling_.at(id));
  assembling_.erase(id);
  std::vector<jobs::TaskSpec> tasks;
  const auto job = store_new_job(plan, id, request.request, tasks);
  if (!job.ok()) {
    submitted_.erase(request.request);
    return refuse(peer, request, job.status());
  }
  ++state_.next_job_number;
  log::info("job {}: {} clips and {} films from {}", job->number, plan.clips.size(),
            plan.films.size(), log::printable(plan.name));
  apply(JobSubmitted{*job, std::move(tasks)});
  reply(peer, request, jobs::JobAccepted{id, job->number});
}

Result<std::vector<JobId>> Server::select(const std::string& selector) const {
  ASSIGN_OR_RETURN(const JobSelector selected,
                   parse_selector(selector, state_.next_job_number - 1));
  std::vector<JobId> ids;
  for (const auto& [id, job] : state_.jobs) {
    if (job.number >= selected.first && job.number <= selected.last) ids.push_back(id);
  }
  if (ids.empty() && !selected.all) {
    return Status(StatusCode::kNotFound,
                  fmt::format("no job matches '{}': see `coordinator job list`", selector));
  }
  std::sort(ids.begin(), ids.end(), [&](const JobId& a, const JobId& b) {
    return state_.jobs.at(a).number < state_.jobs.at(b).number;
  });
  return ids;
}

jobs::JobSummary Server::summary_of(const Job& job) const {
  jobs::JobSummary summary;
  summary.job = job.id;
  summary.number = job.number;
  summary.name = job.name;
  summary.tasks = job.counts;
  summary.priority = job.priority;
  summary.age_seconds = static_cast<double>(wall_ms() - job.submitted_wall_ms) / 1000;
  summary.submitted_wall_ms = job.submitted_wall_ms;
  if (!job.tasks.empty())
    summary.output_dir = state_.tasks.at(job.tasks.front()).spec.output.directory;
  for (const TaskId& id : job.tasks) {
    const Task& task = state_.tasks.at(id);
    if (is_result(task)) ++count(summary.videos, task.state);
  }
  const auto& counts = job.counts;
  if (job.ended) {
    summary.state = end_state(counts);
  } else {
    summary.state = counts.running + counts.done > 0 ? TaskState::kRunning : TaskState::kReady;
  }
  return summary;
}

void Server::on_job_list(const wire::Envelope& request, const std::string& peer) {
  const auto wanted = wire::body_as<jobs::JobListRequest>(request);
  if (!wanted.ok()) return refuse_malformed(peer, request, wanted.status());
  const auto ids = select(wanted->selector);
  if (!ids.ok()) return refuse(peer, request, ids.status());
  jobs::JobList list;
  for (const JobId& id : *ids) list.jobs.push_back(summary_of(state_.jobs.at(id)));
  reply(peer, request, list);
}

void Server::on_job_cancel(const wire::Envelope& request, const std::string& peer) {
  const auto cancel = wire::body_as<jobs::JobCancel>(request);
  if (!cancel.ok()) return refuse_malformed(peer, request, cancel.status());
  const auto ids = select(cancel->selector);
  if (!ids.ok()) return refuse(peer, request, ids.status());
  jobs::JobList list;
  for (const JobId& id : *ids) {
    apply(CancelJob{id});
    list.jobs.push_back(summary_of(state_.jobs.at(id)));
  }
  reply(peer, request, list);
}

void Server::on_job_retry(const wire::Envelope& request, const std::string& peer) {
  const auto retry = wire::body_as<jobs::JobRetry>(request);
  if (!retry.ok()) return refuse_malformed(peer, request, retry.status());
  const auto ids = select(retry->selector);
  if (!ids.ok()) return refuse(peer, request, ids.status());
  jobs::JobList list;
  for (const JobId& id : *ids) {
    apply(RetryJob{id});
    list.jobs.push_back(summary_of(state_.jobs.at(id)));
  }
  reply(peer, request, list);
}

jobs::TaskInfo Server::info_of(const Task& task) const {
  jobs::TaskInfo info;
  info.spec = task.spec;
  info.state = task.state;
  info.attempt = task.attempt;
  info.worker = task.worker_name;
  info.progress = task.progress;
  info.error = task.error;
  info.result = task.result;
  info.run_seconds = task.state == TaskState::kRunning ? to_seconds(clock_.now() - task.leased_at)
                                                       : task.run_seconds;
  info.why = explain(state_, task, clock_.now());
  info.stuck = is_stuck(state_, task);
  return info;
}

void Server::on_task_list(const wire::Envelope& request, const std::string& peer) {
  const auto wanted = wire::body_as<jobs::TaskListRequest>(request);
  if (!wanted.ok()) return refuse_malformed(peer, request, wanted.status());
  const auto job = state_.jobs.find(wanted->job);
  if (job == state_.jobs.end())
    return refuse(peer, request, Status(StatusCode::kNotFound, "no such job"));
  jobs::TaskList list;
  const std::uint32_t count = std::min(wanted->count, kTasksPerPage);
  std::size_t segments = 0;
  for (const TaskId& id : job->second.tasks) {
    const Task& task = state_.tasks.at(id);
    if (wanted->only_unfinished && is_terminal(task.state)) continue;
    const bool fits = list.tasks.size() < count && segments < kSegmentsPerPage;
    if (list.total >= wanted->first && fits) {
      list.tasks.push_back(info_of(task));
      segments += task.spec.segments.size();
    }
    ++list.total;
  }
  reply(peer, request, list);
}

void Server::on_events(const wire::Envelope& request, const std::string& peer) {
  const auto wanted = wire::body_as<jobs::EventsRequest>(request);
  if (!wanted.ok()) return refuse_malformed(peer, request, wanted.status());
  const auto found = store_->events(wanted->after, std::min(wanted->count, kEventsPerPage));
  if (!found.ok()) return refuse(peer, request, found.status());
  const auto job = state_.jobs.find(wanted->job);
  jobs::Events answer;
  answer.last = wanted->after;
  for (const auto& event : *found) {
    answer.last = event.sequence;
    const bool wanted_event =
        wanted->job.is_nil() || (job != state_.jobs.end() && event.job == job->second.number);
    if (wanted_event) answer.events.push_back(event);
  }
  reply(peer, request, answer);
}

void Server::on_held_latents(const wire::Envelope& request, const std::string& peer) {
  const auto wanted = wire::body_as<jobs::HeldLatentsRequest>(request);
  if (!wanted.ok()) return refuse_malformed(peer, request, wanted.status());
  jobs::HeldLatents held;
  for (const Digest& key : wanted->keys) {
    const auto* latents = held_latents(state_, key, nullptr);
    if (latents == nullptr) {
      held.workers.emplace_back();
    } else {
      held.workers.push_back(
          state_.workers.at(*state_.holders.at(latents->content).begin()).hello.name);
    }
  }
  reply(peer, request, held);
}

// Latents that are there, and that the worker cannot have.
void Server::note_out_of_reach(const Worker& worker,
                               std::vector<jobs::HostTrouble>& trouble) const {
  for (const TaskId& id : state_.refused) {
    const Task& task = state_.tasks.at(id);
    const std::string why = lacks_latents(state_, worker, task);
    if (why.empty()) continue;
    const std::uint64_t job = state_.jobs.at(task.spec.job).number;
    auto known = std::find_if(trouble.begin(), trouble.end(),
                              [&](const auto& one) { return one.job == job; });
    if (known == trouble.end()) known = trouble.emplace(known);
    known->job = job;
    ++known->tasks;
    known->last = Status(StatusCode::kFailedPrecondition, why);
  }
}

std::vector<jobs::HostTrouble> Server::trouble_of(const Worker& worker) const {
  std::vector<jobs::HostTrouble> trouble;
  for (const auto& [id, strikes] : worker.strikes) {
    const Job& job = state_.jobs.at(id);
    trouble.push_back({job.number, static_cast<std::uint32_t>(strikes.tasks.size()),
                       is_set_aside(state_, worker, id), strikes.last, job.ended});
  }
  note_out_of_reach(worker, trouble);
  std::sort(trouble.begin(), trouble.end(),
            [](const auto& a, const auto& b) { return a.job < b.job; });
  return trouble;
}

void Server::on_worker_list(const wire::Envelope& request, const std::string& peer) {
  jobs::WorkerList list;
  const Instant now = clock_.now();
  for (const auto& [id, worker] : state_.workers) {
    jobs::WorkerInfo info;
    info.hello = worker.hello;
    info.hello.artefacts.clear();  // may be many
    info.state = state_of(worker);
    info.silent_seconds = to_seconds(now - worker.last_heard);
    info.up_seconds = to_seconds(now - worker.joined);
    info.tasks_done = worker.tasks_done;
    info.tasks_failed = worker.tasks_failed;
    for (const TaskId& lease : worker.leases)
      info.running.push_back(state_.tasks.at(lease).progress);
    info.trouble = trouble_of(worker);
    list.workers.push_back(std::move(info));
  }
  reply(peer, request, list);
}

void Server::on_feature_query(const wire::Envelope& request, const std::string& peer) {
  const auto query = wire::body_as<jobs::FeatureQuery>(request);
  if (!query.ok()) return refuse_malformed(peer, request, query.status());
  jobs::FeatureHolders answer;
  for (const std::uint64_t tag : query->tags) {
    const auto& holders = state_.affinity.holders(tag);
    if (!holders.empty()) answer.held.push_back({tag, holders.begin()->second});
  }
  reply(peer, request, answer);
}

void Server::on_worker_stop(const wire::Envelope& request, const std::string& peer) {
  const auto stop = wire::body_as<jobs::WorkerStop>(request);
  if (!stop.ok()) return refuse_malformed(peer, request, stop.status());
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : state_.workers) {
    if (stop->worker == "all" || stop->worker == worker.hello.name || stop->worker == to_string(id))
      ids.push_back(id);
  }
  if (ids.empty()) {
    return refuse(
        peer, request,
        Status(StatusCode::kNotFound, fmt::format("no worker '{}': see `coordinator worker list`",
                                                  log::printable(stop->worker))));
  }
  for (const WorkerId& id : ids) apply(StopWorker{id, stop->drain});
  reply(peer, request, jobs::OkReply{});
}

}  // namespace mimicfleet::coordinator
