#include "coordinator/server/serve.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/log.h"
#include "coordinator/server/server.h"
#include "coordinator/server/server_metrics.h"

namespace mimicfleet::coordinator {
namespace {

const net::WakeUp* stop_signal = nullptr;

extern "C" void on_signal(int) {
  if (stop_signal != nullptr) stop_signal->signal();
}

void stop_on_signals(const net::WakeUp& stop) {
  stop_signal = &stop;
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

void announce(int fd, const std::string& endpoint, const std::string& metrics) {
  if (fd < 0) return;
  const std::string line = fmt::format("{{\"endpoint\":\"{}\",\"metrics\":\"{}\"}}\n", endpoint, metrics);
  [[maybe_unused]] const auto written = ::write(fd, line.data(), line.size());
  ::close(fd);
}

SchedulerConfig scheduler_config(const ServeOptions& options) {
  SchedulerConfig config;
  config.lease = std::chrono::milliseconds(options.lease_ms);
  config.grant_arrival = std::chrono::milliseconds(5 * options.heartbeat_ms);
  config.max_attempts = options.max_attempts;
  return config;
}

}  // namespace

Status serve(const ServeOptions& options) {
  if (options.exit_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::umask(077);
  net::WakeUp stop;
  stop_on_signals(stop);
  ASSIGN_OR_RETURN(auto store, JobStore::open(options.state_dir));
  ASSIGN_OR_RETURN(net::Socket socket, net::Socket::router(options.listen));
  const std::string endpoint = socket.endpoint();
  Server server(std::move(socket), std::move(store), scheduler_config(options), options.heartbeat_ms,
                options.state_dir);
  RETURN_IF_ERROR(server.restore());
  monitoring::Metrics metrics;
  ServerMetrics server_metrics(metrics);
  server.set_observer([&](const State& state, const auto& events) { server_metrics.observe(state, events); });
  std::unique_ptr<monitoring::MetricsServer> metrics_server;
  if (options.metrics != "off") {
    ASSIGN_OR_RETURN(metrics_server, monitoring::MetricsServer::start(options.metrics, metrics));
  }
  const std::string metrics_address = metrics_server ? metrics_server->address() : "off";
  if (options.write_discovery) {
    RETURN_IF_ERROR(discovery::write_server_file({endpoint, ::getpid()}));
  }
  log::info("listening on {}, metrics on {}, state in {}", endpoint, metrics_address, options.state_dir);
  announce(options.ready_fd, endpoint, metrics_address);
  server.run(stop);
  if (options.write_discovery) discovery::remove_server_file(::getpid());
  log::info("stopped; workers keep their leases and come back to the next coordinator on this state");
  return {};
}

}  // namespace mimicfleet::coordinator
