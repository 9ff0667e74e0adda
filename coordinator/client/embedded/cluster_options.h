#pragma once

#include <string>
#include <vector>

#include "coordinator/client/embedded/cluster.h"
#include "coordinator/client/embedded/embedded_options.h"
#include "coordinator/client/plan/output_folder.h"
#include "coordinator/client/plan/planner.h"

namespace mimicfleet::coordinator {

// What a cluster for this plan is started with. kInvalidArgument: clips want different precisions.
[[nodiscard]] Result<ClusterOptions> cluster_options(const RunPlan& plan,
                                                     const OutputFolder& folder,
                                                     const EmbeddedOptions& options);

// The folders that hold these files, without those inside another one.
[[nodiscard]] std::vector<std::string> enclosing_folders(const RunPlan& plan,
                                                         const std::string& output_folder);

}  // namespace mimicfleet::coordinator
