#pragma once

#include <optional>
#include <string>

#include "worker/cli/cache_command.h"
#include "worker/config.h"

namespace mimicfleet::worker {

struct CommandLine {
  WorkerConfig config;
  CacheCommand cache;  // instead of working
};

// Fills `line` from the command line. The code to exit with if the program should end now.
[[nodiscard]] std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line);

// Where Prometheus reaches metrics that are served at `address`: those at all addresses of the host
// are named by `advertised_host`, or by the host's name if that is empty.
[[nodiscard]] std::string metrics_endpoint(const std::string& address,
                                           const std::string& advertised_host);

}  // namespace mimicfleet::worker
