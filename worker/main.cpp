#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/host_name.h"
#include "common/log.h"
#include "common/model_root/model_root.h"
#include "common/model_root/shipped.h"
#include "common/service/health_routes.h"
#include "common/signals.h"
#include "common/user_folders.h"
#include "jobs/model_notice.h"
#include "worker/agent/agent.h"
#include "worker/cli/options.h"
#include "worker/observed_runner.h"
#include "worker/runner/runner.h"
#include "worker/service_report.h"
#include "worker/stages/executor.h"
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

void handle_signals(const WorkerOptions& options) {
  stop_request();
  if (options.drain_on_stop > 0) requests_left = 2;  // to drain, and to hand back what still runs
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) handle_signal(signal, on_signal);
  ::signal(SIGPIPE, SIG_IGN);
}

jobs::WorkerHello hello_of(const WorkerOptions& options) {
  jobs::WorkerHello hello;
  hello.worker = new_id<WorkerId>();
  hello.host = host_name();
  hello.pid = ::getpid();
  hello.name = options.name.empty() ? fmt::format("{}-{}-{}", hello.host, options.device, hello.pid)
                                    : options.name;
  hello.version = MIMICFLEET_VERSION;
  hello.device = options.device;
  hello.kinds = options.kinds;
  if (const char* allocation = std::getenv("SLURM_JOB_ID")) hello.slurm_job_id = allocation;
  return hello;
}

stages::ExecutorOptions executor_options(const WorkerOptions& options,
                                         const std::string& worker_name) {
  stages::ExecutorOptions out;
  out.models = options.models;
  out.feature_cache_dir = options.feature_cache_dir;
  out.feature_cache_limit = options.feature_cache_limit;
  out.data_dir = options.data_dir;
  if (const std::string caches = user_cache_folder(); !caches.empty())
    out.digest_store = caches + "/digests";
  out.device = options.device;
  out.precision = options.precision;
  out.threads = options.threads;
  out.needs_fp8 = options.needs_fp8;
  out.roots = options.roots;
  out.decoder_only = options.kinds == std::vector{jobs::TaskKind::kDecodeVideo};
  const auto port =
      data_port(options.advertise, options.insecure).value();  // checked with the options
  out.data_bind_endpoint = port.bind_endpoint;
  out.data_advertised_host = port.advertised_host;
  out.worker_name = worker_name;
  return out;
}

// Starting it again can help only if trying again can.
int failed(const Status& status) {
  log::error("{}", log::printable(status.message()));
  return status.retryable() ? kExitFailed : kExitUnusable;
}

// Before anything else: whoever forgot --models should see it at once.
void say_which_models(const WorkerOptions& options) {
  const auto shipped = options.models.empty() ? model_root::shipped_root() : std::nullopt;
  if (!shipped) return;
  const auto files = model_root::find_below(*shipped);
  if (!files.ok()) return;  // told when they are opened
  log::warn("no models are named (--models), so those that come with the program are used: {}",
            log::printable(jobs::notice_of(files->defaults)));
}

// Works until asked to leave.
int work(const WorkerOptions& options, const std::string& endpoint) {
  jobs::WorkerHello hello = hello_of(options);
  const SteadyClock clock;
  service::Health health(clock, "starting");
  Telemetry telemetry(options, hello, clock);
  const auto metrics_server = telemetry.serve(options.metrics, service::health_routes(health));
  if (!metrics_server.ok()) return failed(metrics_server.status());
  if (*metrics_server) {
    const auto port =
        data_port(options.advertise, options.insecure).value();  // checked with the options
    hello.metrics_endpoint = metrics_endpoint((*metrics_server)->address(), port.advertised_host);
  }

  agent::SessionOptions session;
  if (options.exit_when_idle) session.leave_when_idle = *options.exit_when_idle;
  session.drain_on_stop = std::chrono::seconds(options.drain_on_stop);
  auto connected = agent::Agent::connect(endpoint, hello, session);
  if (!connected.ok()) return failed(connected.status());
  agent::Agent& agent = **connected;
  if (discovery::named_server(options.coordinator)
          .empty()) {  // one that comes back may be somewhere else
    agent.set_search([] { return discovery::find_server("").value_or(""); });
  }
  if (options.exit_with_parent) {
    agent.set_stop_condition([parent = ::getppid()] { return ::getppid() != parent; });
  }

  service::ServiceManager manager(clock);
  ServiceReport report(health, manager);
  agent.set_observer([&](const agent::Session& now) {
    report.observe(now);
    telemetry.metrics().standing(now.state(), now.is_connected());
  });
  manager.ready();

  const auto post = [&](agent::Event&& event) {
    telemetry.see(event);
    agent.post(std::move(event));
  };
  stages::StageExecutor executor(executor_options(options, hello.name), post, telemetry.metrics());
  runner::Runner runner(executor, post,
                        [&](const jobs::LeaseGrant& lease, const agent::TaskEnd& end) {
                          telemetry.task_ended(lease, end);
                        });
  ObservedRunner observed(runner, telemetry.activity());
  const Status refusal = agent.run(observed, stop_request());
  const Status gave_up = runner.failure();
  const Status outcome = gave_up.ok() ? refusal : gave_up;
  const int code = outcome.ok() ? 0 : failed(outcome);
  if (!executor.end_of_process().ok())
    std::_Exit(code);  // what is on the device may be beyond tidying up
  if (!runner.stop(kStopPatience))
    std::_Exit(code);  // a step that takes longer is of no use to anybody
  return code;
}

int run(int argc, char** argv) {
  WorkerOptions options;
  if (const auto code = parse_options(argc, argv, options)) return *code;
  log::initialize("worker", "info");
  if (options.cache.action != CacheCommand::Action::kNone) return run_cache_command(options.cache);
  const auto endpoint = discovery::find_server(options.coordinator);
  if (!endpoint.ok()) {
    log::error("{}", log::printable(endpoint.status().message()));
    return kExitNoServer;
  }
  say_which_models(options);
  handle_signals(options);
  log::info("working for {}", log::printable(*endpoint));
  return work(options, *endpoint);
}

}  // namespace
}  // namespace mimicfleet::worker

int main(int argc, char** argv) { return mimicfleet::worker::run(argc, argv); }
