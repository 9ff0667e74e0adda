#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "coordinator/client/embedded/cluster.h"
#include "coordinator/client/plan/output_folder.h"
#include "coordinator/client/plan/planner.h"

namespace mimicfleet::coordinator {

// How an embedded run is made up.
struct EmbeddedOptions {
  std::string device = "auto";
  std::size_t workers = 0;  // 0: one for each GPU, else one
  std::size_t threads = 0;  // of each worker; 0: the physical cores shared out
  std::string feature_cache_dir;
  std::string feature_cache_limit;  // of each worker, as `worker --feature-cache-limit`
};

// What a cluster for this plan is started with. kInvalidArgument: clips want different precisions.
[[nodiscard]] Result<ClusterOptions> cluster_options(const RunPlan& plan,
                                                     const OutputFolder& folder,
                                                     const EmbeddedOptions& options);

// The folders that hold these files, without those inside another one.
[[nodiscard]] std::vector<std::string> enclosing_folders(const RunPlan& plan,
                                                         const std::string& output_folder);

}  // namespace mimicfleet::coordinator
