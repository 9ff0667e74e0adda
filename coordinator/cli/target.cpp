#include "coordinator/cli/target.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/log.h"
#include "common/physical_cores.h"
#include "common/user_folders.h"
#include "coordinator/embedded/devices.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

bool is_alive(std::int64_t pid) {
  return pid > 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

constexpr std::chrono::milliseconds kNewPlacePatience{5'000};
constexpr std::size_t kMaxRoots = 200;  // beyond that their parents are named

// Without those that lie in another one.
std::vector<std::string> outermost(const std::set<std::string>& folders) {
  std::vector<std::string> outer;
  for (const auto& folder : folders) {  // in order: a folder comes before what lies in it
    const bool inside = std::any_of(outer.begin(), outer.end(), [&](const std::string& other) {
      return other == "/" || folder.starts_with(other + "/");
    });
    if (!inside) outer.push_back(folder);
  }
  return outer;
}

Result<std::string> common_precision(const RunPlan& plan) {
  std::set<std::string> wanted;
  const auto add = [&](const std::string& reason, const jobs::Parameters& parameters) {
    if (!reason.empty() && parameters.precision != jobs::Precision::kAuto) {
      wanted.emplace(to_string(parameters.precision));
    }
  };
  for (const auto& clip : plan.clips) add(clip.reason, clip.plan.parameters);
  for (const auto& film : plan.films) add(film.reason, film.plan.parameters);
  if (wanted.size() > 1) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format(
            "the clips ask for different precisions ({}, {}), and the workers of one run have "
            "one: run them apart, or use a server",
            *wanted.begin(), *wanted.rbegin()));
  }
  return wanted.empty() ? std::string("auto") : *wanted.begin();
}

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

std::vector<std::string> enclosing_folders(const RunPlan& plan, const std::string& output_folder) {
  std::set<std::string> folders = {output_folder};
  for (const auto& clip : plan.clips) {
    if (clip.reason.empty()) continue;
    folders.insert(fs::path(clip.plan.video.path).parent_path().string());
    folders.insert(fs::path(clip.plan.reference.path).parent_path().string());
    for (const auto& lora : clip.plan.parameters.loras) {
      folders.insert(fs::path(lora.file.path).parent_path().string());
    }
    if (const auto& overlay = clip.plan.parameters.unet_overlay) {
      folders.insert(fs::path(overlay->path).parent_path().string());
    }
    if (clip.plan.keep_latents) folders.insert(clip.plan.keep_latents->directory);
  }
  for (const auto& film : plan.films) {
    if (film.reason.empty()) continue;
    for (const auto& part : film.plan.parts) {
      if (part.clip.empty()) folders.insert(fs::path(part.saved.file.path).parent_path().string());
    }
  }
  std::vector<std::string> outer = outermost(folders);
  while (outer.size() > kMaxRoots) {
    std::set<std::string> parents;
    for (const auto& folder : outer) parents.insert(fs::path(folder).parent_path().string());
    outer = outermost(parents);
  }
  return outer;
}

Result<ClusterOptions> cluster_options(const RunPlan& plan, const OutputFolder& folder,
                                       const EmbeddedOptions& options) {
  ClusterOptions cluster;
  cluster.run_folder = folder.run_folder();
  CHECK(plan.models.files.has_value());
  ASSIGN_OR_RETURN(cluster.models, worker_root(*plan.models.files, cluster.run_folder + "/models"));
  cluster.feature_cache_dir = options.feature_cache_dir;
  cluster.feature_cache_limit = options.feature_cache_limit;
  if (cluster.feature_cache_dir.empty()) {
    const std::string cache = user_cache_folder();
    cluster.feature_cache_dir =
        cache.empty() ? cluster.run_folder + "/features" : cache + "/features";
  }
  cluster.roots = enclosing_folders(plan, folder.path());
  const std::size_t gpus = visible_gpus(std::getenv("CUDA_VISIBLE_DEVICES"), present_gpus());
  ASSIGN_OR_RETURN(cluster.devices, worker_devices(options.device, options.workers, gpus));
  ASSIGN_OR_RETURN(cluster.precision, common_precision(plan));
  cluster.needs_fp8 = std::any_of(
      plan.clips.begin(), plan.clips.end(),
      [](const PlannedClip& clip) { return !clip.reason.empty() && clip.plan.parameters.fp8; });
  cluster.threads = options.threads;
  if (cluster.threads == 0)
    cluster.threads = std::max<std::size_t>(1, physical_cores() / cluster.devices.size());
  return cluster;
}

}  // namespace mimicfleet::coordinator
