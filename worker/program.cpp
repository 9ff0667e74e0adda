#include "worker/program.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/host_name.h"
#include "common/log.h"
#include "common/model_files/model_root.h"
#include "common/model_files/shipped.h"
#include "common/service/health_routes.h"
#include "common/signals.h"
#include "jobs/model_notice.h"
#include "worker/agent/agent.h"
#include "worker/artefacts/data_port.h"
#include "worker/cli/options.h"
#include "worker/observed_runner.h"
#include "worker/runner/runner.h"
#include "worker/service_report.h"
#include "worker/telemetry.h"

namespace mimicfleet::worker {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitNoServer = 3;
constexpr int kExitUnusable = 4;
constexpr auto kStopPatience = std::chrono::seconds(8);

net::WakeUp& stop_request() {
  static net::WakeUp instance;
  return instance;
}

// How many signals ask for an orderly end, the next one takes one.
volatile sig_atomic_t requests_left = 1;

void on_signal(int) {
  if (requests_left == 0) ::_exit(128 + SIGTERM);
  requests_left = requests_left - 1;
  stop_request().signal();
}

void handle_signals(const WorkerConfig& config) {
  stop_request();
  // One to drain, one to hand back what still runs.
  if (config.session.drain_on_stop > Duration{}) requests_left = 2;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) handle_signal(signal, on_signal);
  ::signal(SIGPIPE, SIG_IGN);
}

jobs::WorkerHello hello_of(const WorkerConfig& config) {
  jobs::WorkerHello hello;
  hello.worker = new_id<WorkerId>();
  hello.host = host_name();
  hello.pid = ::getpid();
  hello.name = config.name;
  hello.version = MIMICFLEET_VERSION;
  hello.device = config.device;
  hello.kinds = config.kinds;
  if (const char* allocation = std::getenv("SLURM_JOB_ID")) hello.slurm_job_id = allocation;
  return hello;
}

// Starting it again can help only if trying again can.
int failed(const Status& status) {
  log::error("{}", log::printable(status.message()));
  return status.retryable() ? kExitFailed : kExitUnusable;
}

// First of all, so that a forgotten --models is seen at once.
void say_which_models(const WorkerConfig& config) {
  const auto shipped = config.models.empty() ? model_root::shipped_root() : std::nullopt;
  if (!shipped) return;
  const auto files = model_root::find_below(*shipped);
  if (!files.ok()) return;  // told when they are opened
  log::warn("no models are named (--models); using those that come with the program: {}",
            log::printable(jobs::notice_of(files->defaults)));
}

// Works until asked to leave.
int work(const WorkerConfig& config, const std::string& endpoint, stages::ExecutorSeams seams) {
  jobs::WorkerHello hello = hello_of(config);
  const SteadyClock clock;
  service::Health health(clock, "starting");
  Telemetry telemetry(config, hello, clock);
  const auto metrics_server = telemetry.serve(config.metrics, service::health_routes(health));
  if (!metrics_server.ok()) return failed(metrics_server.status());
  if (*metrics_server) {
    const auto port = artefacts::data_port(config.advertise, config.insecure).value();  // checked
    hello.metrics_endpoint = metrics_endpoint((*metrics_server)->address(), port.advertised_host);
  }

  auto connected = agent::Agent::connect(endpoint, hello, config.session);
  if (!connected.ok()) return failed(connected.status());
  agent::Agent& agent = **connected;
  if (discovery::named_server(config.coordinator)
          .empty()) {  // one that comes back may be somewhere else
    agent.set_search([] { return discovery::find_server("").value_or(""); });
  }
  if (config.exit_with_parent) {
    agent.set_stop_condition([parent = ::getppid()] { return ::getppid() != parent; });
  }

  service::ServiceManager manager(clock);
  ServiceReport report(health, manager);
  agent.set_observer([&](const agent::Session& now) {
    report.observe(now);
    telemetry.metrics().standing(now.state(), now.is_connected());
  });
  manager.ready();

  const auto post = [&](worker::Event&& event) {
    telemetry.see(event);
    agent.post(std::move(event));
  };
  stages::StageExecutor executor(config, post, telemetry.metrics(), std::move(seams));
  runner::Runner runner(executor, post,
                        [&](const jobs::LeaseGrant& lease, const worker::TaskEnd& end) {
                          telemetry.task_ended(lease, end);
                        });
  ObservedRunner observed(runner, telemetry.activity());
  const Status refusal = agent.run(observed, stop_request());
  const Status gave_up = runner.failure();
  const Status outcome = gave_up.ok() ? refusal : gave_up;
  const int code = outcome.ok() ? 0 : failed(outcome);
  if (!executor.end_of_process().ok())
    std::_Exit(code);  // what is on the device may be beyond tidying up
  if (!runner.stop(kStopPatience)) std::_Exit(code);  // nobody waits for a longer step
  return code;
}

}  // namespace

int run_program(int argc, char** argv, stages::ExecutorSeams seams) {
  CommandLine line;
  if (const auto code = parse_command_line(argc, argv, line)) return *code;
  const WorkerConfig& config = line.config;
  log::initialize("worker", "info");
  if (line.cache.action != CacheCommand::Action::kNone) {
    return run_cache_command(line.cache, config.cache.directory);
  }
  const auto endpoint = discovery::find_server(config.coordinator);
  if (!endpoint.ok()) {
    log::error("{}", log::printable(endpoint.status().message()));
    return kExitNoServer;
  }
  say_which_models(config);
  handle_signals(config);
  log::info("working for {}", log::printable(*endpoint));
  return work(config, *endpoint, std::move(seams));
}

}  // namespace mimicfleet::worker
