#include "coordinator/client/run/find_server.h"

#include <signal.h>

#include <cerrno>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

bool is_alive(std::int64_t pid) {
  return pid > 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

constexpr std::chrono::milliseconds kNewPlacePatience{5'000};
}  // namespace

Result<std::optional<std::string>> find_target(const std::string& flag) {
  if (flag == "embedded") return std::optional<std::string>();
  if (auto named = discovery::named_server(flag); !named.empty())
    return std::optional(std::move(named));
  const auto file = discovery::read_server_file();
  if (!file.ok()) {
    if (file.status().code() != StatusCode::kNotFound)
      log::warn("{}", log::printable(file.status().message()));
    return std::optional<std::string>();
  }
  if (is_of_this_host(*file) && !is_alive(file->pid)) {
    log::warn("{}: names a server whose process {} is gone; not using it",
              discovery::server_file_path(), file->pid);
    return std::optional<std::string>();
  }
  auto endpoint = discovery::reachable_endpoint(*file);
  if (endpoint.ok()) {
    if (!is_of_this_host(*file)) {
      log::info("the server of {} is used, as {} says", log::printable(file->host),
                discovery::server_file_path());
    }
    return std::optional(*std::move(endpoint));
  }
  log::warn("{}; not using it", log::printable(endpoint.status().message()));
  return std::optional<std::string>();
}

Result<Connection> connect_to_server(const std::string& flag, const Interrupts* interrupts) {
  ASSIGN_OR_RETURN(const auto endpoint, find_target(flag));
  if (endpoint) return Connection::open(*endpoint, interrupts);
  return Status(
      StatusCode::kUnavailable,
      "no server is known: start one with `coordinator serve`, or name one with --server or "
      "MIMICFLEET_SERVER");
}

void follow_server(const std::string& flag, const jobs::JobAccepted& job, Connection& connection,
                   const Interrupts* interrupts) {
  if (!discovery::named_server(flag).empty()) return;
  const auto file = discovery::read_server_file();
  if (!file.ok()) return;
  const auto endpoint = discovery::reachable_endpoint(*file);
  if (!endpoint.ok() || *endpoint == connection.endpoint()) return;
  auto other = Connection::open(*endpoint, interrupts, kNewPlacePatience);
  if (!other.ok()) return;
  const jobs::JobListRequest request{fmt::format("{}", job.number)};
  const auto list = other->call<jobs::JobList>(request, kNewPlacePatience);
  if (!list.ok() || list->jobs.empty() || list->jobs.front().job != job.job) return;
  log::info("the server is at {} now", log::printable(*endpoint));
  connection = *std::move(other);
}

}  // namespace mimicfleet::coordinator
