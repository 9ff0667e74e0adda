#pragma once

#include <memory>
#include <optional>
#include <string>

#include "coordinator/client/connection.h"
#include "coordinator/client/output_folder.h"
#include "coordinator/client/planner.h"
#include "coordinator/embedded/cluster.h"

namespace mimicfleet::coordinator {

// The endpoint of the coordinator to talk to: `flag`, MIMICFLEET_SERVER, or what a running server
// of this user announced; nothing when there is none, or when `flag` is "embedded". A server file
// whose process is gone, or whose server this host cannot reach, counts as none.
[[nodiscard]] Result<std::optional<std::string>> find_target(const std::string& flag);

// The same for commands that need one. kUnavailable says how to name or start one.
[[nodiscard]] Result<Connection> connect_to_server(const std::string& flag,
                                                   const Interrupts* interrupts);

// For a client that nobody told its server, and that hears nothing of it any more: if the server's
// file names another place by now where the same job is, `connection` goes on there.
void follow_server(const std::string& flag, const jobs::JobAccepted& job, Connection& connection,
                   const Interrupts* interrupts);

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
