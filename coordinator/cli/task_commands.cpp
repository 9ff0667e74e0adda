#include <memory>
#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/json_output.h"
#include "coordinator/client/report/progress.h"
#include "coordinator/client/report/table.h"
#include "coordinator/client/run/find_server.h"
#include "coordinator/client/run/job_follower.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kTaskExamples = R"(examples:
  coordinator task list --job last --state running
  coordinator task explain last        what each unfinished task of the newest job waits for
  coordinator task explain 1f3a9c02    why this task waits, or what became of it)";

struct TaskFlags {
  CommonFlags common;
  std::string selector = "last";
  std::string task;
  std::string state;
};

std::string step_text(const jobs::TaskProgress& progress) {
  if (progress.steps == 0) return progress.stage;
  return fmt::format("{} {}/{}", progress.stage, progress.step, progress.steps);
}

// Calls `use` for the tasks of all selected jobs, with the job.
Status each_selected(
    const TaskFlags& flags,
    const std::function<void(const jobs::TaskInfo&, const jobs::JobSummary& job)>& use) {
  Interrupts interrupts;
  ASSIGN_OR_RETURN(Connection connection, connect_to_server(flags.common.server, &interrupts));
  ASSIGN_OR_RETURN(const auto list,
                   connection.call<jobs::JobList>(jobs::JobListRequest{flags.selector}));
  for (const auto& job : list.jobs) {
    RETURN_IF_ERROR(
        each_task(connection, job.job, [&](const jobs::TaskInfo& task) { use(task, job); }));
  }
  return {};
}

int list(const TaskFlags& flags) {
  Table table({"JOB", "TASK", "KIND", "STATE", "ATTEMPT", "WORKER", "TIME", "AT", "NAME"});
  const Status read =
      each_selected(flags, [&](const jobs::TaskInfo& task, const jobs::JobSummary& job) {
        if (!flags.state.empty() && flags.state != to_string(task.state)) return;
        if (flags.common.json()) {
          fmt::print("{}", json_line(task_value(task, job.number)));
          return;
        }
        table.add({fmt::format("{}", job.number), to_string(task.spec.id).substr(0, 8),
                   std::string(to_string(task.spec.kind)), std::string(to_string(task.state)),
                   fmt::format("{}", task.attempt), task.worker, clock_text(task.run_seconds),
                   step_text(task.progress), task.spec.name});
      });
  if (!read.ok()) return report(read);
  if (!flags.common.json()) fmt::print("{}", table.text());
  return kAllDone;
}

void print_why(const jobs::TaskInfo& task, std::uint64_t job, bool as_json) {
  if (as_json) {
    fmt::print("{}", json_line(task_value(task, job)));
    return;
  }
  fmt::print("{} of {} ({:.8}): {}\n", to_string(task.spec.kind), log::printable(task.spec.name),
             to_string(task.spec.id), log::printable(task.why));
}

// "last", "all", "3", "2-5".
bool is_selector(const std::string& text) {
  return text == "last" || text == "all" ||
         (!text.empty() && text.find_first_not_of("0123456789-") == std::string::npos);
}

// One task, or all unfinished ones of a job; of one that has ended, all.
int explain(TaskFlags flags) {
  std::size_t found = 0;
  const Status read =
      each_selected(flags, [&](const jobs::TaskInfo& task, const jobs::JobSummary& job) {
        const bool any =
            flags.task.empty() && (jobs::is_terminal(job.state) || !jobs::is_terminal(task.state));
        const bool start =
            flags.task.size() >= 8 && to_string(task.spec.id).starts_with(flags.task);
        if (!any && !start && task.spec.name != flags.task) return;
        ++found;
        print_why(task, job.number, flags.common.json());
      });
  if (!read.ok()) return report(read);
  if (found > 0 || flags.task.empty()) return kAllDone;
  if (is_selector(flags.task)) {
    flags.selector = std::exchange(flags.task, "");
    return explain(std::move(flags));
  }
  return report(
      {StatusCode::kNotFound,
       fmt::format("no task '{}' in job {}: give an output's name or the start of a task's id "
                   "(`coordinator task list`)",
                   flags.task, flags.selector)});
}

void add_common(CLI::App& command, TaskFlags& flags) {
  command.add_option("--job", flags.selector, "a number, a range 2-5, last (default) or all")
      ->type_name("SELECTOR");
  add_server_flag(command, flags.common);
  add_output_flag(command, flags.common);
}

}  // namespace

void add_task(CLI::App& app, Chosen& chosen) {
  CLI::App* task = app.add_subcommand(
      "task", "look at the tasks of jobs: an encode and a decode for each video");
  task->require_subcommand(1);
  task->footer(kTaskExamples);
  auto flags = std::make_shared<TaskFlags>();
  CLI::App* list_command =
      task->add_subcommand("list", "tasks, where they run and how far they are");
  list_command
      ->add_option("--state", flags->state,
                   "only these: waiting, ready, running, done, failed, cancelled")
      ->check(CLI::IsMember({"waiting", "ready", "running", "done", "failed", "cancelled"}))
      ->type_name("STATE");
  add_common(*list_command, *flags);
  list_command->callback([=, &chosen] { chosen = [=] { return list(*flags); }; });
  CLI::App* explain_command =
      task->add_subcommand("explain", "why a task waits, or what became of it");
  explain_command
      ->add_option("TASK", flags->task,
                   "an output's name, the start of a task's id, or a job: what of it is "
                   "unfinished, or, once it has "
                   "ended, all; default: last")
      ->type_name("");
  add_common(*explain_command, *flags);
  explain_command->callback([=, &chosen] { chosen = [=] { return explain(*flags); }; });
}

}  // namespace mimicfleet::coordinator
