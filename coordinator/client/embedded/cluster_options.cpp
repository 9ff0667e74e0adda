#include "coordinator/client/embedded/cluster_options.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "common/physical_cores.h"
#include "common/user_folders.h"
#include "coordinator/client/embedded/devices.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

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
  for (const auto& concat : plan.concats) add(concat.reason, concat.plan.parameters);
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

// A worker whose device cannot do it ends.
bool wants_fp8(const RunPlan& plan) {
  return std::any_of(plan.clips.begin(), plan.clips.end(), [](const PlannedClip& clip) {
    return !clip.reason.empty() && clip.plan.parameters.fp8;
  });
}

EmbeddedOptions with_cache_folder(EmbeddedOptions options, const std::string& run_folder) {
  if (!options.feature_cache_dir.empty()) return options;
  const std::string cache = user_cache_folder();
  options.feature_cache_dir = (cache.empty() ? run_folder : cache) + "/features";
  return options;
}

void add_handed_on(const EmbeddedOptions& options, std::vector<std::string>& flags) {
  for (const auto& flag : kWorkerFlags) {
    const std::string& value = options.*flag.value;
    if (!value.empty()) flags.insert(flags.end(), {flag.name, value});
  }
}

}  // namespace

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
    if (clip.plan.cache_latents) folders.insert(clip.plan.cache_latents->directory);
  }
  for (const auto& concat : plan.concats) {
    if (concat.reason.empty()) continue;
    for (const auto& part : concat.plan.parts) {
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
  const std::size_t gpus = visible_gpus(std::getenv("CUDA_VISIBLE_DEVICES"), present_gpus());
  ASSIGN_OR_RETURN(cluster.devices, worker_devices(options.device, options.workers, gpus));
  ASSIGN_OR_RETURN(const std::string precision, common_precision(plan));
  const std::size_t share = std::max<std::size_t>(1, physical_cores() / cluster.devices.size());
  auto& flags = cluster.worker_flags;
  flags = {"--precision", precision, "--threads",
           std::to_string(options.threads == 0 ? share : options.threads)};
  if (wants_fp8(plan)) flags.emplace_back("--fp8");
  add_handed_on(with_cache_folder(options, cluster.run_folder), flags);
  for (const auto& root : enclosing_folders(plan, folder.path())) {
    flags.insert(flags.end(), {"--roots", root});
  }
  return cluster;
}

}  // namespace mimicfleet::coordinator
