#include <array>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/json_output.h"
#include "coordinator/client/report/progress.h"
#include "coordinator/client/report/summary.h"
#include "coordinator/client/report/table.h"
#include "coordinator/client/run/find_server.h"
#include "coordinator/client/run/job_follower.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kJobExamples = R"(examples:
  coordinator job list                 all jobs
  coordinator job wait last            until the newest job has ended
  coordinator job progress 12          follow job 12
  coordinator job info 12              what its stages cost, and what the cache saved
  coordinator job retry 12             try its failed videos again
  coordinator job cancel 2-5           jobs 2 to 5)";

constexpr std::chrono::milliseconds kLookEvery{500};
constexpr std::size_t kListedProblems = 20;

struct JobFlags {
  CommonFlags common;
  std::string selector;
};

std::string videos_text(const jobs::TaskCounts& videos) {
  std::string text = fmt::format("{}/{}", videos.done, videos.total());
  if (videos.failed > 0) text += fmt::format(", {} failed", videos.failed);
  if (videos.cancelled > 0) text += fmt::format(", {} cancelled", videos.cancelled);
  return text;
}

void print_jobs(const jobs::JobList& list, bool as_json) {
  if (as_json) {
    wire::Array all;
    for (const auto& job : list.jobs) all.push_back(job_value(job));
    fmt::print("{}", json_document(wire::Map{{"jobs", std::move(all)}}));
    return;
  }
  Table table({"JOB", "STATE", "VIDEOS", "RUNNING", "PRIORITY", "AGE", "NAME"});
  for (const auto& job : list.jobs) {
    table.add({fmt::format("{}", job.number), std::string(to_string(job.state)),
               videos_text(job.videos), fmt::format("{}", job.tasks.running),
               fmt::format("{}", job.priority), clock_text(job.age_seconds), job.name});
  }
  fmt::print("{}", table.text());
}

// Commands that change jobs need a selector: the last job may be another user's.
Status need_selector(const JobFlags& flags, const char* verb) {
  if (!flags.selector.empty()) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "say which jobs to {}: a number, a range such as 2-5, `last` or `all`; see `coordinator "
          "job list`",
          verb)};
}

// One request that is answered by a list of jobs.
template <typename Request>
int list_by(const JobFlags& flags, const Request& request) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  const auto list = connection->call<jobs::JobList>(request);
  if (!list.ok()) return report(list.status());
  print_jobs(*list, flags.common.json());
  return kAllDone;
}

Status print_info(Connection& connection, const jobs::JobSummary& job) {
  fmt::print(
      "job         {}\nname        {}\nstate       {}\nvideos      {}\ntasks       {} done, {} "
      "running, "
      "{} "
      "ready, {} waiting, {} failed, {} cancelled\nsubmitted   {}\nage         {}\noutputs     "
      "{}\n",
      job.number, log::printable(job.name), to_string(job.state), videos_text(job.videos),
      job.tasks.done, job.tasks.running, job.tasks.ready, job.tasks.waiting, job.tasks.failed,
      job.tasks.cancelled, rfc3339(job.submitted_wall_ms), clock_text(job.age_seconds),
      log::printable(job.output_dir));
  std::size_t listed = 0;
  jobs::Ledger ledger;
  RETURN_IF_ERROR(each_task(connection, job.job, [&](const jobs::TaskInfo& task) {
    ledger.add(task.result);
    const bool failed =
        task.state == jobs::TaskState::kFailed && task.spec.kind == jobs::TaskKind::kDecodeVideo;
    if (failed && listed++ < kListedProblems) {
      fmt::print("failed      {}: {}\n", log::printable(task.spec.name),
                 log::printable(task.error.message()));
    }
  }));
  const jobs::StageSeconds total = ledger.total();
  fmt::print("computed    {:.2f} s cold, {:.2f} s warm, {:.2f} s saved by the feature cache\n{}",
             total.cold_seconds, total.warm_seconds, total.saved_seconds, ledger_table(ledger));
  return {};
}

Status print_details(Connection& connection, const jobs::JobList& list) {
  wire::Array details;
  for (const auto& job : list.jobs) {
    jobs::Ledger ledger;
    RETURN_IF_ERROR(each_task(connection, job.job,
                              [&](const jobs::TaskInfo& task) { ledger.add(task.result); }));
    details.push_back(job_value(job, ledger));
  }
  fmt::print("{}", json_document(wire::Map{{"jobs", std::move(details)}}));
  return {};
}

int cancel(const JobFlags& flags) {
  if (const Status missing = need_selector(flags, "cancel"); !missing.ok()) return report(missing);
  return list_by(flags, jobs::JobCancel{flags.selector});
}

int retry(const JobFlags& flags) {
  if (const Status missing = need_selector(flags, "retry"); !missing.ok()) return report(missing);
  return list_by(flags, jobs::JobRetry{flags.selector});
}

int info(const JobFlags& flags) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  const auto list = connection->call<jobs::JobList>(jobs::JobListRequest{flags.selector});
  if (!list.ok()) return report(list.status());
  if (flags.common.json()) return report(print_details(*connection, *list));
  for (const auto& job : list->jobs) {
    if (&job != &list->jobs.front()) fmt::print("\n");
    if (const Status read = print_info(*connection, job); !read.ok()) return report(read);
  }
  return kAllDone;
}

// Shows a job until it is over.
Result<jobs::JobSummary> wait_for(const JobFlags& flags, Connection& connection,
                                  const jobs::JobSummary& job, const Interrupts& interrupts,
                                  bool show) {
  ProgressDisplay display(stderr, show && stderr_is_terminal());
  const SteadyClock clock;
  const std::array<int, 1> fds = {interrupts.fd()};
  for (;;) {
    auto view = view_job(connection, job.number);
    if (view.status().code() == StatusCode::kUnavailable) {
      follow_server(flags.common.server, {job.job, job.number}, connection, &interrupts);
      view = view_job(connection, job.number);
    }
    if (!view.ok()) return view.status();
    if (show) display.show(*view, clock.now());
    if (jobs::is_terminal(view->summary.state)) return view->summary;
    net::wait_readable({}, fds, kLookEvery);
    if (interrupts.requested()) return Status(StatusCode::kCancelled, "interrupted");
  }
}

int wait(const JobFlags& flags, bool show) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  interrupts.arm();
  auto list = connection->call<jobs::JobList>(jobs::JobListRequest{flags.selector});
  if (!list.ok()) return report(list.status());
  bool all_done = true;
  for (auto& job : list->jobs) {
    auto ended = wait_for(flags, *connection, job, interrupts, show);
    if (!ended.ok()) return report(ended.status());
    all_done = all_done && ended->state == jobs::TaskState::kDone;
    job = std::move(*ended);
  }
  print_jobs(*list, flags.common.json());
  return all_done ? kAllDone : kSomeFailed;
}

void print_event(const jobs::Event& event, bool as_json) {
  if (as_json) {
    fmt::print("{}", json_line(event_value(event)));
    return;
  }
  std::string line =
      fmt::format("{:>6}  {}  {:<16}", event.sequence, rfc3339(event.wall_time_ms), event.kind);
  if (event.job != 0) line += fmt::format("  job {}", event.job);
  if (!event.task.empty()) line += fmt::format("  {} {}", to_string(event.task_kind), event.name);
  if (event.attempt != 0) line += fmt::format("  attempt {}", event.attempt);
  if (!event.worker.empty()) line += fmt::format("  {}", event.worker);
  if (!event.detail.empty()) line += fmt::format("  {}", event.detail);
  fmt::print("{}\n", log::printable(line));
}

int events(const JobFlags& flags) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  std::vector<JobId> wanted = {JobId()};
  if (flags.selector != "all") {
    const auto list = connection->call<jobs::JobList>(jobs::JobListRequest{flags.selector});
    if (!list.ok()) return report(list.status());
    wanted.clear();
    for (const auto& job : list->jobs) wanted.push_back(job.job);
  }
  for (const JobId& job : wanted) {
    std::uint64_t last = 0;
    const Status read = each_event(*connection, job, last, [&](const jobs::Event& event) {
      print_event(event, flags.common.json());
    });
    if (!read.ok()) return report(read);
  }
  return kAllDone;
}

// `selected`: what is taken when the user names no jobs; empty: they must be named.
void add(CLI::App& job, Chosen& chosen, const char* name, const char* description,
         const char* selected, const std::function<int(const JobFlags&)>& act) {
  auto flags = std::make_shared<JobFlags>();
  flags->selector = selected;
  CLI::App* command = job.add_subcommand(name, description);
  command
      ->add_option(
          "SELECTOR", flags->selector,
          "a number, a range 2-5, last or all; " +
              (*selected == '\0' ? std::string("needed") : fmt::format("default {}", selected)))
      ->type_name("");
  add_server_flag(*command, flags->common);
  add_output_flag(*command, flags->common);
  command->callback([=, &chosen] { chosen = [=] { return act(*flags); }; });
}

}  // namespace

void add_job(CLI::App& app, Chosen& chosen) {
  CLI::App* job =
      app.add_subcommand("job", "look at jobs of a server, wait for them, cancel or retry them");
  job->require_subcommand(1);
  job->footer(kJobExamples);
  add(*job, chosen, "list", "jobs and how far they are", "all",
      [](const JobFlags& flags) { return list_by(flags, jobs::JobListRequest{flags.selector}); });
  add(*job, chosen, "info",
      "a job in detail: what its stages cost and the cache saved, the errors of failed clips",
      "last", info);
  add(*job, chosen, "wait", "return when jobs are over: 0 if all is done", "last",
      [](const JobFlags& flags) { return wait(flags, false); });
  add(*job, chosen, "progress", "as wait, with a progress bar", "last",
      [](const JobFlags& flags) { return wait(flags, true); });
  add(*job, chosen, "cancel", "stop jobs: queued tasks at once, running ones at their next step",
      "", cancel);
  add(*job, chosen, "retry", "try failed and cancelled tasks again", "", retry);
  add(*job, chosen, "events", "what happened, in order", "all", events);
}

}  // namespace mimicfleet::coordinator
