#include "coordinator/server/serve.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/endpoint.h"
#include "common/host_name.h"
#include "common/log.h"
#include "common/service/health.h"
#include "common/service/health_routes.h"
#include "common/service/service_manager.h"
#include "common/signals.h"
#include "common/wire/envelope.h"
#include "coordinator/server/scrape_targets.h"
#include "coordinator/server/server.h"
#include "coordinator/server/server_metrics.h"
#include "jobs/client_messages.h"
#include "monitoring/build_info.h"
#include "monitoring/metrics_server.h"

namespace mimicfleet::coordinator {
namespace {

const net::WakeUp* stop_signal = nullptr;

extern "C" void on_signal(int) {
  if (stop_signal != nullptr) stop_signal->signal();
}

void stop_on_signals(const net::WakeUp& stop) {
  stop_signal = &stop;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) handle_signal(signal, on_signal);
  ::signal(SIGPIPE, SIG_IGN);
}

void announce(int fd, const std::string& endpoint, const std::string& metrics) {
  if (fd < 0) return;
  const std::string line =
      fmt::format("{{\"endpoint\":\"{}\",\"metrics\":\"{}\"}}\n", endpoint, metrics);
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
  ::close(fd);
}

SchedulerConfig scheduler_config(const ServeOptions& options) {
  SchedulerConfig config;
  config.lease = std::chrono::milliseconds(options.lease_ms);
  config.grant_arrival = std::chrono::milliseconds(5 * options.heartbeat_ms);
  config.max_attempts = options.max_attempts;
  config.refusal_grace = std::chrono::milliseconds(options.refusal_grace_ms);
  return config;
}

constexpr std::chrono::milliseconds kOtherPatience{2'000};
constexpr std::uint64_t kLeastBeats = 3;  // of a worker within one lease

// The socket's errors with what to do about them.
Result<net::Socket> listen_on(const std::string& endpoint) {
  auto socket = net::Socket::router(endpoint);
  if (socket.ok()) return socket;
  const bool taken = socket.status().code() == StatusCode::kFailedPrecondition;
  const char* remedy =
      taken ? "choose another --listen" : "--listen takes an address like tcp://127.0.0.1:5555";
  return Status(socket.status().code(), fmt::format("{}; {}", socket.status().message(), remedy));
}

// A number alone says little: after a restart of the machine it belongs to some other program.
bool runs_this_program(std::int64_t pid) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), error);
  return !error && program == std::filesystem::read_symlink("/proc/self/exe", error);
}

// A server of another host whose folder this one shares.
bool answers(const std::string& endpoint) {
  auto socket = net::Socket::dealer(endpoint);
  if (!socket.ok() ||
      !socket->send({wire::seal(jobs::ServerInfoRequest(), new_id<RequestId>())}).ok()) {
    return false;
  }
  const std::array<net::Socket*, 1> sockets = {&*socket};
  return net::wait_readable(sockets, {}, kOtherPatience);
}

bool is_running(const discovery::ServerFile& server) {
  if (is_of_this_host(server)) return server.pid != ::getpid() && runs_this_program(server.pid);
  const auto endpoint = reachable_endpoint(server);
  return endpoint.ok() && answers(*endpoint);
}

// Clients find one server of a user: that which came first, as long as it runs.
Status make_known(const std::string& endpoint) {
  const auto other = discovery::read_server_file();
  if (other.ok() && is_running(*other)) {
    log::warn(
        "clients go on to find the server at {} (process {}{}): name this one with --server {}",
        log::printable(other->endpoint), other->pid,
        is_of_this_host(*other) ? "" : " on " + log::printable(other->host), endpoint);
    return {};
  }
  if (other.ok() && !is_of_this_host(*other)) {
    log::warn(
        "{} named {} on {} and names this server from now on: if the other one still runs, name it "
        "with --server there",
        discovery::server_file_path(), log::printable(other->endpoint),
        log::printable(other->host));
  }
  return discovery::write_server_file({endpoint, ::getpid(), host_name()});
}

// "" is none.
std::string file_for_discovery(const ServeOptions& options) {
  if (options.file_sd == "off") return "";
  return options.file_sd.empty() ? options.state_dir + "/file_sd/workers.json" : options.file_sd;
}

http::Response discovery_answer(const ScrapeTargets& targets) {
  const auto json = targets.json();
  if (json) return {.content_type = "application/json", .body = *json};
  return {.status = 503,
          .body = "the coordinator starts: it knows in a moment which workers come back\n"};
}

}  // namespace

Status check_options(const ServeOptions& options) {
  if (options.lease_ms < kLeastBeats * std::uint64_t{options.heartbeat_ms}) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format(
            "--lease-ms {} is too short for --heartbeat-ms {}: workers would be lost between two "
            "beats; give at least {}",
            options.lease_ms, options.heartbeat_ms,
            kLeastBeats * std::uint64_t{options.heartbeat_ms})};
  }
  if (options.insecure || is_local_endpoint(options.listen)) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "--listen {}: anybody who reaches that address could have workers read and write files; "
          "give --insecure too if all of that network is trusted",
          options.listen)};
}

Status serve(const ServeOptions& options) {
  RETURN_IF_ERROR(check_options(options));
  if (options.exit_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::umask(077);
  net::WakeUp stop;
  stop_on_signals(stop);
  ASSIGN_OR_RETURN(auto store, JobStore::open(options.state_dir));
  ASSIGN_OR_RETURN(net::Socket socket, listen_on(options.listen));
  const std::string endpoint = socket.endpoint();
  const SteadyClock clock;
  service::Health health(clock, "starting: the state is being read");
  const std::string file_sd = file_for_discovery(options);
  RETURN_IF_ERROR(ScrapeTargets::prepare(file_sd));
  ScrapeTargets targets(file_sd, host_name());
  monitoring::Metrics metrics;
  monitoring::add_build_info(metrics, "coordinator", MIMICFLEET_VERSION);
  ServerMetrics server_metrics(metrics, options.state_dir, clock);
  std::unique_ptr<monitoring::MetricsServer>
      metrics_server;  // answers while the state is read, too
  if (options.metrics != "off") {
    auto routes = service::health_routes(health);
    routes["/sd"] = [&targets](const http::Request&) { return discovery_answer(targets); };
    ASSIGN_OR_RETURN(metrics_server,
                     monitoring::MetricsServer::start(options.metrics, metrics, routes));
  }
  const std::string metrics_address = metrics_server ? metrics_server->address() : "off";

  Server server(std::move(socket), std::move(store), scheduler_config(options),
                options.heartbeat_ms, options.state_dir);
  RETURN_IF_ERROR(server.restore());
  server_metrics.look(server.state(), clock.now());
  server.add_observer(server_metrics);
  targets.look(server.state(), clock.now());
  server.add_observer(targets);
  service::ServiceManager manager(clock);
  server.set_on_turn([&] {
    health.turned();
    manager.turned();
  });
  if (options.write_discovery) RETURN_IF_ERROR(make_known(endpoint));
  log::info("listening on {}, metrics on {}, state in {}", endpoint, metrics_address,
            options.state_dir);
  announce(options.ready_fd, endpoint, metrics_address);
  health.set_ready();
  manager.status(fmt::format("listening on {}", endpoint));
  manager.ready();
  server.run(stop);
  manager.stopping();
  if (options.write_discovery) discovery::remove_server_file(::getpid());
  log::info(
      "stopped; workers keep their leases and come back to the next coordinator on this state");
  return {};
}

}  // namespace mimicfleet::coordinator
