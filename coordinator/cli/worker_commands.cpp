#include <memory>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/json_output.h"
#include "coordinator/client/report/progress.h"
#include "coordinator/client/report/table.h"
#include "coordinator/client/run/find_server.h"
#include "jobs/model_notice.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kWorkerExamples = R"(examples:
  coordinator worker list              what workers do, and what is wrong with them
  coordinator worker drain gpu3-cuda0  finish its tasks, then stop
  coordinator worker stop all          stop now; other workers take the tasks over)";

struct WorkerFlags {
  CommonFlags common;
  std::string worker;
};

std::string running_text(const jobs::WorkerInfo& worker) {
  std::string text;
  for (const auto& task : worker.running) {
    text +=
        fmt::format("{}{}", text.empty() ? "" : ", ", task.stage.empty() ? "starting" : task.stage);
    if (task.steps > 0) text += fmt::format(" {}/{}", task.step, task.steps);
  }
  return text.empty() ? "-" : text;
}

std::string models_text(const jobs::WorkerInfo& worker) {
  std::string text;
  for (const auto& set : worker.hello.model_sets) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", set.name);
  }
  return text.empty() ? "-" : text;
}

// The tasks that a worker's host could not do, by job; without ended jobs.
std::string trouble_text(const jobs::WorkerInfo& worker) {
  std::string text;
  for (const auto& trouble : worker.trouble) {
    if (trouble.ended) continue;
    text += fmt::format("{}job {}: {}its host could not do {} task{}: {}", text.empty() ? "" : "; ",
                        trouble.job, trouble.set_aside ? "set aside, " : "", trouble.tasks,
                        trouble.tasks == 1 ? "" : "s", trouble.last.message());
  }
  return text.empty() ? "-" : text;
}

// What people should know of a worker's models.
void print_notices(const jobs::WorkerHello& worker) {
  for (const auto& set : worker.model_sets) {
    const std::string notice = jobs::notice_of(set.defaults);
    if (notice.empty()) continue;
    fmt::print("{} has {}: {}\n", log::printable(worker.name), log::printable(set.name),
               log::printable(notice));
  }
}

int list(const WorkerFlags& flags) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  const auto workers = connection->call<jobs::WorkerList>(jobs::WorkerListRequest());
  if (!workers.ok()) return report(workers.status());
  if (flags.common.json()) {
    fmt::print("{}", json_document(wire::to_value(*workers)));
    return kAllDone;
  }
  Table table({"WORKER", "HOST", "STATE", "DEVICE", "COMPUTES IN", "MODELS", "METRICS", "DONE",
               "FAILED", "UP", "HEARD", "RUNNING", "TROUBLE"});
  for (const auto& worker : workers->workers) {
    table.add({worker.hello.name, worker.hello.host, std::string(to_string(worker.state)),
               worker.hello.device, worker.hello.numerics.precision, models_text(worker),
               worker.hello.metrics_endpoint.empty() ? "-" : worker.hello.metrics_endpoint,
               fmt::format("{}", worker.tasks_done), fmt::format("{}", worker.tasks_failed),
               clock_text(worker.up_seconds), fmt::format("{:.1f} s ago", worker.silent_seconds),
               running_text(worker), trouble_text(worker)});
  }
  fmt::print("{}", table.text());
  for (const auto& worker : workers->workers) print_notices(worker.hello);
  return kAllDone;
}

int stop(const WorkerFlags& flags, bool drain) {
  Interrupts interrupts;
  auto connection = connect_to_server(flags.common.server, &interrupts);
  if (!connection.ok()) return report(connection.status());
  const auto done = connection->call<jobs::OkReply>(jobs::WorkerStop{flags.worker, drain});
  if (!done.ok()) return report(done.status());
  if (flags.common.json()) {
    fmt::print("{}", json_document(wire::Map{{"worker", flags.worker},
                                             {"action", drain ? "drain" : "stop"}}));
    return kAllDone;
  }
  const std::string who = flags.worker == "all" ? "all workers" : log::printable(flags.worker);
  fmt::print("{}: {}\n", who,
             drain ? "what runs is finished first" : "tasks that ran start elsewhere");
  return kAllDone;
}

void add_stop(CLI::App& worker, Chosen& chosen, const char* name, const char* description,
              bool drain) {
  auto flags = std::make_shared<WorkerFlags>();
  CLI::App* command = worker.add_subcommand(name, description);
  command->add_option("WORKER", flags->worker, "its name or id, or all")->required()->type_name("");
  add_server_flag(*command, flags->common);
  add_output_flag(*command, flags->common);
  command->callback([=, &chosen] { chosen = [=] { return stop(*flags, drain); }; });
}

}  // namespace

void add_worker(CLI::App& app, Chosen& chosen) {
  CLI::App* worker = app.add_subcommand("worker", "look at the workers of a server, or stop them");
  worker->require_subcommand(1);
  worker->footer(kWorkerExamples);
  auto flags = std::make_shared<WorkerFlags>();
  CLI::App* list_command = worker->add_subcommand("list", "workers and what they do");
  add_server_flag(*list_command, flags->common);
  add_output_flag(*list_command, flags->common);
  list_command->callback([=, &chosen] { chosen = [=] { return list(*flags); }; });
  add_stop(*worker, chosen, "drain", "let a worker finish what it runs, then leave", true);
  add_stop(*worker, chosen, "stop", "let a worker leave now; its tasks start elsewhere", false);
}

}  // namespace mimicfleet::coordinator
