#include "coordinator/server/scrape_targets.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "common/endpoint.h"
#include "common/files/atomic_file.h"
#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr auto kWriteAgain = std::chrono::seconds(10);  // after a failure

// What Prometheus takes for an address; a worker may send anything.
bool is_address(std::string_view text) {
  auto [host, port] = split_host_and_port(text);
  if (host.empty() || parse_port(port.value_or("")).value_or(0) == 0) return false;
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (host == "0.0.0.0" || host == "[::]") return false;  // all of the worker's own
  if (!host.starts_with('[')) return host.find_first_not_of(kLetters) == std::string_view::npos;
  if (host.size() < 3 || !host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  return host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

bool is_reached(const jobs::WorkerHello& worker, const std::string& own_host) {
  return is_address(worker.metrics_endpoint) &&
         (worker.host == own_host || !is_local_endpoint("tcp://" + worker.metrics_endpoint));
}

Status write_for_all(const std::string& path, const std::string& text) {
  ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  RETURN_IF_ERROR(file.write(text));
  ::fchmod(file.fd(), 0644);  // Prometheus is another user
  return file.commit_unsynced();
}

}  // namespace

std::vector<ScrapeTarget> scrape_targets(const State& state, const std::string& own_host) {
  std::map<std::string_view, const Worker*> by_address;
  for (const auto& [id, worker] : state.workers) {
    if (!is_reached(worker.hello, own_host)) continue;
    const Worker*& known = by_address[worker.hello.metrics_endpoint];
    if (known == nullptr || known->joined < worker.joined) known = &worker;
  }
  std::vector<ScrapeTarget> targets;
  for (const auto& [address, worker] : by_address) {
    const auto& hello = worker->hello;
    targets.push_back(
        {std::string(address), hello.name, hello.host, hello.device, hello.slurm_job_id});
  }
  return targets;
}

std::string discovery_json(const std::vector<ScrapeTarget>& targets) {
  wire::Array groups;
  for (const auto& target : targets) {
    const wire::Map labels = {{"worker", target.worker},
                              {"host", target.host},
                              {"device", target.device},
                              {"slurm_job_id", target.slurm_job_id}};
    groups.emplace_back(wire::Map{{"targets", wire::Array{target.address}}, {"labels", labels}});
  }
  return json::to_text(groups, 2) + "\n";
}

Status ScrapeTargets::prepare(const std::string& file) {
  if (file.empty()) return {};
  const fs::path path(file);
  if (path.extension() != ".json" || path.stem().empty()) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format(
            "--file-sd {}: Prometheus takes files whose names end in .json; name one such, or off",
            file)};
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  if (fs::create_directories(folder, error)) ::chmod(folder.c_str(), 0755);
  if (!error && ::access(folder.c_str(), W_OK | X_OK) != 0)
    error = {errno, std::generic_category()};
  if (!error && fs::is_directory(path)) error = std::make_error_code(std::errc::is_a_directory);
  if (!error) return {};
  return {StatusCode::kFailedPrecondition,
          fmt::format("--file-sd {}: cannot be written: {}; name another file, or off", file,
                      error.message())};
}

void ScrapeTargets::look(const State& state, Instant now) {
  if (!known_from_) known_from_ = state.epoch > 1 ? now + state.config.lease : now;
  if (now < *known_from_) return;
  auto targets = scrape_targets(state, own_host_);
  const bool changed = targets_ != targets;
  if (!changed && !file_is_old_) return;
  const std::string text = discovery_json(targets);
  targets_ = std::move(targets);
  file_is_old_ = !file_.empty();
  if (file_is_old_ && now >= next_write_) write_file(text, now);
  const MutexLock lock(mutex_);
  json_ = text;
}

void ScrapeTargets::write_file(const std::string& json, Instant now) {
  const Status written = write_for_all(file_, json);
  file_is_old_ = !written.ok();
  if (file_is_old_) next_write_ = now + kWriteAgain;
  if (file_is_old_ == in_trouble_) return;
  in_trouble_ = file_is_old_;
  if (in_trouble_) {
    log::warn("the file of workers for Prometheus cannot be written: {}; trying again",
              written.message());
  } else {
    log::info("{}: can be written again", file_);
  }
}

std::optional<std::string> ScrapeTargets::json() const {
  const MutexLock lock(mutex_);
  return json_;
}

}  // namespace mimicfleet::coordinator
