#include "coordinator/client/submit_run.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "common/files/atomic_file.h"
#include "common/files/list_folder.h"
#include "common/json/json.h"
#include "common/log.h"
#include "common/user_folders.h"
#include "coordinator/client/plan/own_outputs.h"
#include "coordinator/client/plan/replaced.h"
#include "coordinator/client/report/cost.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/json_output.h"
#include "coordinator/client/run/cached_features.h"
#include "coordinator/client/run/other_jobs.h"
#include "coordinator/client/run/server_abilities.h"
#include "jobs/keys.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

// A hundredth of the time so far, between these: so much is lost when the end of a job is seen
// late.
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr std::chrono::milliseconds kLookEveryAtFirst{50};
// Where all that is left are a video's last frames: most of a short clip's time outside the models.
constexpr std::chrono::milliseconds kLookEveryAtTheEnd{5};
constexpr std::chrono::milliseconds kNoteEvery{300};
constexpr int kShareOfTime = 100;
constexpr std::chrono::milliseconds kOwnPatience{1'000};
constexpr std::chrono::milliseconds kCancelPatience{5'000};
constexpr std::chrono::seconds kSilenceAllowed{120};
constexpr std::chrono::milliseconds kStopGrace{10'000};
constexpr std::chrono::milliseconds kInterruptedGrace{3'000};

// Waits, but not past a signal.
void pause(const Interrupts& interrupts, std::chrono::milliseconds duration) {
  const std::array<int, 1> fds = {interrupts.fd()};
  net::wait_readable({}, fds, duration);
}

// The error of a run of which another document than the summary is wanted.
Status not_all_made(const Status& outcome, const RunSummary& summary) {
  if (!outcome.ok()) return outcome;
  std::string problems;
  for (const auto& clip : summary.clips) {
    if (clip.error.empty()) continue;
    problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", clip.name, clip.error);
  }
  return {StatusCode::kInternal,
          fmt::format("not all videos were made; {}",
                      problems.empty() ? "see _run/summary.json" : problems)};
}

}  // namespace

SubmitRun::SubmitRun(SubmitOptions options)
    : options_(std::move(options)),
      started_(clock_.now()),
      cache_folder_(user_cache_folder()),
      display_(stderr, stderr_is_terminal() && !options_.json) {}

int SubmitRun::run() {
  if (const Status failed = plan(); !failed.ok()) return report(failed);
  const Status refused = check_overwrites();
  if (options_.dry_run) return finish(refused);
  if (!refused.ok()) return report(refused);
  const Status outcome = plan_.to_run() == 0 ? Status() : execute();
  if (options_.benchmark_cache) return finish_benchmark(outcome);
  if (!options_.wait && outcome.ok() && !job_.job.is_nil()) {
    const std::string told =
        fmt::format("job {} submitted: {} videos\n", job_.number, plan_.to_run());
    const double seconds = to_seconds(clock_.now() - started_);
    fmt::print("{}", options_.json ? json::write(summary_->finish(seconds)) : told);
    return kAllDone;
  }
  return finish(outcome);
}

Status SubmitRun::plan() {
  if (options_.endpoint) {
    ASSIGN_OR_RETURN(connection_, Connection::open(*options_.endpoint, &interrupts_));
  } else if (!options_.wait) {
    return {StatusCode::kInvalidArgument,
            "--no-wait needs a server: an embedded run ends with this command"};
  }
  auto& request = options_.request;
  if (!cache_folder_.empty()) request.looks = cache_folder_ + "/looks";
  request.check_media = options_.dry_run;
  OfferedModels offered;
  if (connection_) offered = [this] { return models_of_workers(); };
  const jobs::ServerInfo nobody;
  const jobs::ServerInfo& server = connection_ ? connection_->server() : nobody;
  ASSIGN_OR_RETURN(Planner planner, Planner::prepare(request, offered, server.model_folders));
  FileDigestCache digests(cache_folder_.empty() ? "" : cache_folder_ + "/digests");
  RETURN_IF_ERROR(planner.check_files(digests));
  OutputPlaces places;
  places.videos.directory = real_path(request.output_dir);
  if (options_.dry_run) {
    RETURN_IF_ERROR(OutputFolder::check(request.output_dir));
    RETURN_IF_ERROR(check_latents_place(request.cache_dir));
  } else {
    ASSIGN_OR_RETURN(folder_, OutputFolder::prepare(request.output_dir, request.selection.shard,
                                                    request.selection.shards));
    if (!connection_) RETURN_IF_ERROR(folder_->lock());
    places.videos.nonce = folder_->nonce();
  }
  ASSIGN_OR_RETURN(places.latents,
                   latents_place(request.cache_dir, places.videos, !options_.dry_run));
  display_.note("reading models and inputs…");
  Instant shown = clock_.now();
  ASSIGN_OR_RETURN(plan_, planner.finish(places, digests, [&](std::size_t done) {
    if (clock_.now() - shown < kNoteEvery) return;
    shown = clock_.now();
    display_.note(fmt::format("reading inputs: {} of {}", done, planner.items()));
  }));
  display_.clear();
  for (const auto& sentence : plan_.left_out) log::warn("left out {}", sentence);
  for (const auto& warning : plan_.warnings()) log::warn("{}", warning);
  if (connection_) RETURN_IF_ERROR(look_at_server());
  if (options_.dry_run) RETURN_IF_ERROR(look_at_caches());
  if (options_.benchmark_cache) {
    for (auto& clip : plan_.clips) clip.reason = "benchmark of the feature cache";
  }
  summary_ = std::make_unique<SummaryBuilder>(plan_, places.videos.directory);
  return {};
}

// Comparisons and benchmarks have folders of their own making.
Status SubmitRun::check_overwrites() {
  const auto& request = options_.request;
  const std::string folder = real_path(request.output_dir);
  if (connection_)
    RETURN_IF_ERROR(check_no_other_job_writes(*connection_, plan_, folder, options_.server));
  if (request.overwrite || !request.variants.empty() || options_.benchmark_cache) return {};
  RETURN_IF_ERROR(check_foreign(plan_, folder));
  return request.overwrite_cache ? Status() : check_replaced(plan_, folder);
}

// A worker that still loads its models will say which they are: it is not the time for toys.
Result<std::vector<jobs::ModelSet>> SubmitRun::models_of_workers() {
  for (bool told = false;; told = true) {
    const auto& server = connection_->server();
    if (server.workers == 0 || any_without_notice(server.model_sets)) return server.model_sets;
    ASSIGN_OR_RETURN(const auto list,
                     connection_->call<jobs::WorkerList>(jobs::WorkerListRequest()));
    const bool all_loaded =
        std::none_of(list.workers.begin(), list.workers.end(),
                     [](const auto& worker) { return worker.hello.model_sets.empty(); });
    if (all_loaded) return server.model_sets;
    if (!told) log::info("waiting for the server's workers to load their models");
    pause(interrupts_, kLookEvery);
    RETURN_IF_ERROR(connection_->ask_again());
  }
}

Status SubmitRun::look_at_server() {
  const auto& server = connection_->server();
  RETURN_IF_ERROR(server_knows_settings(server, connection_->endpoint(), plan_));
  if (plan_.to_run() > 0) {
    for (const auto& remark : remarks_on_workers(plan_.models.set, server.model_sets)) {
      log::warn("{}", log::printable(remark));
    }
  }
  return options_.dry_run ? look_for_held_latents() : Status();
}

// Which of the latents to be made a worker already holds.
Status SubmitRun::look_for_held_latents() {
  std::vector<PlannedClip*> clips;
  jobs::HeldLatentsRequest request;
  for (auto& clip : plan_.clips) {
    if (clip.reason.empty() || !clip.plan.reuse_latents) continue;
    clips.push_back(&clip);
    request.keys.push_back(jobs::latents_key(jobs::as_read(clip.plan.video),
                                             jobs::as_read(clip.plan.reference), plan_.models.set,
                                             clip.plan.parameters));
  }
  if (clips.empty()) return {};
  ASSIGN_OR_RETURN(const auto held, connection_->call<jobs::HeldLatents>(request));
  for (std::size_t i = 0; i < std::min(clips.size(), held.workers.size()); ++i) {
    clips[i]->held_by = held.workers[i];
  }
  return {};
}

// What a dry run can tell of the feature caches.
Status SubmitRun::look_at_caches() {
  const auto& policy = options_.request.features;
  if (connection_) return note_cached_features(*connection_, policy, plan_);
  const std::string& chosen = options_.embedded.feature_cache_dir;
  note_cached_features(chosen.empty() ? cache_folder_ + "/features" : chosen, policy, plan_);
  return {};
}

Status SubmitRun::execute() {
  interrupts_.arm();
  if (!connection_) RETURN_IF_ERROR(connect_to_cluster());
  if (options_.benchmark_cache) return run_benchmark();
  RETURN_IF_ERROR(submit());
  return options_.wait ? follow() : Status();
}

Status SubmitRun::connect_to_cluster() {
  clean_up();
  ASSIGN_OR_RETURN(ClusterOptions cluster, cluster_options(plan_, *folder_, options_.embedded));
  display_.note(fmt::format("starting a coordinator and {} worker(s)…", cluster.devices.size()));
  ASSIGN_OR_RETURN(cluster_, Cluster::start(std::move(cluster)));
  ASSIGN_OR_RETURN(connection_, Connection::open(cluster_->endpoint(), &interrupts_));
  // What a run that was broken off left undone is planned anew: only its finished outputs count.
  const auto left = connection_->call<jobs::JobList>(jobs::JobCancel{"all"});
  return left.ok() ? Status() : left.status();
}

jobs::JobPlan SubmitRun::job_plan() const {
  jobs::JobPlan job;
  job.name = plan_.name;
  job.models = plan_.models.set;
  job.priority = options_.request.priority;
  job.features = options_.request.features;
  for (const auto& clip : plan_.clips) {
    if (!clip.reason.empty()) job.clips.push_back(clip.plan);
  }
  for (const auto& concat : plan_.concats) {
    if (!concat.reason.empty()) job.concats.push_back(concat.plan);
  }
  return job;
}

Status SubmitRun::submit() {
  // So that what is half made when this run is killed is known as ours.
  RETURN_IF_ERROR(OwnOutputs(folder_->path()).note(plan_.videos_to_make()));
  auto accepted = submit_job(*connection_, job_plan());
  left_to_server_ = !cluster_ && accepted.status().code() == StatusCode::kCancelled;
  ASSIGN_OR_RETURN(job_, std::move(accepted));
  summary_->summary.job = job_.number;
  if (!cluster_) summary_->summary.server = connection_->endpoint();
  return {};
}

Status SubmitRun::follow() {
  // A coordinator of our own that is silent may need our care.
  if (cluster_) connection_->set_patience(kOwnPatience);
  Instant heard = clock_.now();
  for (;;) {
    const auto over = look();
    if (over.ok()) {
      heard = clock_.now();
      if (*over) return {};
    } else if (over.status().code() != StatusCode::kUnavailable &&
               over.status().code() != StatusCode::kCancelled) {
      return over.status();
    } else if (!cluster_ && over.status().code() == StatusCode::kUnavailable) {
      follow_server(options_.server, job_, *connection_, &interrupts_);
      summary_->summary.server = connection_->endpoint();
    }
    if (interrupts_.requested()) return break_off();
    if (clock_.now() - heard > kSilenceAllowed) {
      return {StatusCode::kUnavailable,
              fmt::format("{}; job {} may go on there: see `coordinator job wait {}`",
                          over.status().message(), job_.number, job_.number)};
    }
    // A coordinator of our own keeps its state there, too: it would wait for space and say nothing.
    if (cluster_) RETURN_IF_ERROR(folder_->check_full());
    if (cluster_) RETURN_IF_ERROR(cluster_->supervise(ended_tasks_, clock_.now()));
    const auto share = std::chrono::duration_cast<std::chrono::milliseconds>(
        (clock_.now() - started_) / kShareOfTime);
    pause(interrupts_,
          ends_soon_ ? kLookEveryAtTheEnd : std::clamp(share, kLookEveryAtFirst, kLookEvery));
  }
}

Result<bool> SubmitRun::look() {
  ASSIGN_OR_RETURN(const JobView view, view_job(*connection_, job_.number));
  ended_tasks_ = view.summary.tasks.ended();
  ends_soon_ = ends_soon(view);
  display_.show(view, clock_.now());
  save_events();
  return jobs::is_terminal(view.summary.state);
}

// A job on a server is in good hands; one of an embedded run, or whose results only this client
// puts together, is not.
Status SubmitRun::break_off() {
  if (cluster_ || options_.cancel_on_interrupt || options_.benchmark_cache) return cancel_job();
  left_to_server_ = true;
  return {StatusCode::kCancelled, "interrupted"};
}

Status SubmitRun::cancel_job() {
  interrupts_.acknowledge();
  if (options_.benchmark_cache && !cluster_) {
    fmt::print(stderr,
               "interrupted: job {} is cancelled, since only this command compares its runs\n",
               job_.number);
  }
  display_.note("interrupted: cancelling the job (Ctrl-C again to end at once)");
  static_cast<void>(connection_->call<jobs::JobList>(
      jobs::JobCancel{fmt::format("{}", job_.number)}, kCancelPatience));
  return {StatusCode::kCancelled, "interrupted"};
}

void SubmitRun::collect() {
  if (job_.job.is_nil() || interrupts_.count() > 1) return;
  connection_->set_patience(kCancelPatience);
  save_events();
  const Status read =
      each_task(*connection_, job_.job, [&](const jobs::TaskInfo& task) { summary_->add(task); });
  if (read.ok()) return;
  if (!cluster_) summary_->leave_open();
  if (read.code() != StatusCode::kCancelled) {
    log::warn("the tasks' results could not be read: {}", log::printable(read.message()));
  }
}

// Of an own coordinator all events, also those of workers; of a server this job's alone. A folder's
// log goes on where the last run ended.
void SubmitRun::save_events() {
  std::ofstream out(folder_->run_folder() + "/events.jsonl",
                    last_event_ == 0 ? std::ios::trunc : std::ios::app);
  static_cast<void>(
      each_event(*connection_, cluster_ ? JobId() : job_.job, last_event_,
                 [&](const jobs::Event& event) { out << json_line(event_value(event)); }));
}

// Temporary files of programs that were killed. What others are writing there now stays.
void SubmitRun::clean_up() {
  std::error_code error;
  if (fs::exists(folder_->run_folder() + "/state", error))
    remove_abandoned_files_below(folder_->path());
}

// Once all is done nothing of it is needed again: jobs, and the latents that workers kept.
void SubmitRun::remove_state() {
  const auto entries = list_folder(folder_->run_folder());
  if (!entries.ok()) return;  // the next run removes it
  for (const auto& entry : *entries) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (name == "state" || name == "models" || name.starts_with("worker-"))
      fs::remove_all(entry.path(), ignored);
  }
}

void SubmitRun::stop_cluster(bool all_done) {
  if (!cluster_) return;
  cluster_->stop(interrupts_.requested() ? kInterruptedGrace : kStopGrace);
  clean_up();
  if (all_done) remove_state();
}

void SubmitRun::save_summary(const RunSummary& summary) const {
  const Status saved =
      write_file_atomically(folder_->run_folder() + "/summary.json", json::write(summary));
  if (!saved.ok()) log::warn("{}", log::printable(saved.message()));
}

// Where nobody is there to read it, nothing is said.
int SubmitRun::leave_to_server() {
  display_.clear();
  const RunSummary summary = summary_->finish(to_seconds(clock_.now() - started_));
  save_summary(summary);
  log::note("\n" + summary_table(summary));
  if (!interrupts_.by_user()) return kInterruptedExit;
  if (options_.json && !options_.report) fmt::print("{}", json::write(summary));
  const std::string server = options_.server.empty() ? "" : " --server " + options_.server;
  if (job_.job.is_nil()) {
    fmt::print(stderr,
               "interrupted while the job was handed over: `coordinator job list{}` says whether "
               "the server "
               "has it\n",
               server);
    return kInterruptedExit;
  }
  fmt::print(stderr,
             "interrupted: job {0} goes on without this client{1}\n  to follow it:  coordinator "
             "job progress "
             "{0}{2}\n  "
             "to cancel it:  coordinator job cancel {0}{2}\n",
             job_.number,
             options_.report ? "; the same command, given again after its end, reports" : "",
             server);
  return kInterruptedExit;
}

std::string SubmitRun::planned_table(const std::string& output_dir) const {
  MediaLooks looks(options_.request.looks);
  return plan_table(plan_, estimate_cost(plan_, output_dir, looks));
}

int SubmitRun::finish(const Status& outcome) {
  if (left_to_server_) return leave_to_server();
  if (!options_.dry_run && connection_) collect();
  if (outcome.code() != StatusCode::kCancelled) summary_->summary.error = outcome.message();
  const RunSummary summary = summary_->finish(to_seconds(clock_.now() - started_));
  stop_cluster(outcome.ok() && summary.all_done());
  display_.clear();
  if (folder_) save_summary(summary);
  if (options_.report && !options_.dry_run && outcome.ok() && summary.all_done()) {
    return options_.report(plan_, summary);
  }
  if (options_.report && options_.json && !options_.dry_run)
    return report(not_all_made(outcome, summary));
  const bool as_plan = options_.dry_run && !options_.json;
  const std::string table = as_plan ? planned_table(summary.output_dir) : summary_table(summary);
  fmt::print("{}", options_.json ? json::write(summary) : table);
  log::note("\n" + table);
  if (!outcome.ok()) {
    if (interrupts_.requested())
      fmt::print(stderr, "interrupted: run the same command again to go on\n");
    const int code = report_on_stderr(outcome);
    return code == kUsage && !job_.job.is_nil() ? kSomeFailed : code;  // something was tried
  }
  if (options_.dry_run) return plan_.refused.empty() ? kAllDone : kSomeFailed;
  return summary.all_done() ? kAllDone : kSomeFailed;
}

}  // namespace mimicfleet::coordinator
