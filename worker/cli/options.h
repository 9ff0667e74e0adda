#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/parameters.h"
#include "jobs/task.h"
#include "worker/cli/cache_command.h"

namespace mimicfleet::worker {

struct WorkerOptions {
  std::string coordinator;                // endpoint; empty: see discovery::find_server
  std::vector<std::string> models;        // model roots
  std::string feature_cache_dir;          // empty: no feature cache
  std::uint64_t feature_cache_limit = 0;  // bytes; 0: cache::default_limit
  std::string data_dir;
  std::string device = "auto";
  jobs::Precision precision = jobs::Precision::kAuto;
  bool needs_fp8 = false;
  int threads = 0;        // 0: all physical cores
  std::string advertise;  // HOST[:PORT] of the data port; empty: loopback, any port
  bool insecure = false;
  std::vector<std::string> roots;
  std::vector<jobs::TaskKind> kinds = {jobs::TaskKind::kEncodeLatents,
                                       jobs::TaskKind::kDecodeVideo};
  std::string metrics = "127.0.0.1:0";
  std::string name;
  bool exit_with_parent = false;
  std::optional<std::chrono::seconds> exit_when_idle;
  int drain_on_stop = 0;  // seconds
  CacheCommand cache;     // instead of working
};

// Fills `options` from the command line. The code to exit with if the program should end now.
[[nodiscard]] std::optional<int> parse_options(int argc, char** argv, WorkerOptions& options);

// Where the data port is bound and under which name others reach it.
struct DataPort {
  std::string bind_endpoint;    // "tcp://127.0.0.1:*"
  std::string advertised_host;  // empty: as bound
};
// kInvalidArgument: malformed, or an address that others can reach without --insecure.
[[nodiscard]] Result<DataPort> data_port(const std::string& advertise, bool insecure);

// Where Prometheus reaches metrics that are served at `address`: those at all addresses of the host
// are named by `advertised_host`, or by the host's name if that is empty.
[[nodiscard]] std::string metrics_endpoint(const std::string& address,
                                           const std::string& advertised_host);

}  // namespace mimicfleet::worker
