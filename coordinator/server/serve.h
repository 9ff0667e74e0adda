#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace mimicfleet::coordinator {

struct ServeOptions {
  std::string listen = "tcp://127.0.0.1:5555";  // `tcp://127.0.0.1:*` takes any free port
  bool insecure = false;                        // listen where strangers can reach it
  std::string state_dir;
  std::string metrics = "127.0.0.1:9464";  // "off", or port 0 for any free one
  std::string file_sd;  // where Prometheus finds the workers; empty: in state_dir; or "off"
  int ready_fd = -1;    // gets one line {"endpoint":…,"metrics":…} when all is up
  bool exit_with_parent = false;  // embedded runs: leave no process behind
  bool write_discovery = false;   // so that clients and workers of this user find the server
  std::uint32_t heartbeat_ms = 1000;
  std::uint32_t lease_ms = 10000;
  std::uint32_t max_attempts = 3;
  std::uint32_t refusal_grace_ms = 60000;
};

// kInvalidArgument: an address that others can reach without `insecure`; a lease that ends between
// two beats.
[[nodiscard]] Status check_options(const ServeOptions& options);

// Runs a coordinator until SIGTERM or SIGINT. Errors: as check_options; the address is taken, the
// state folder is locked by another coordinator, damaged, or rolled back. While another server of
// this user runs that clients find, this one is not made known to them.
[[nodiscard]] Status serve(const ServeOptions& options);

}  // namespace mimicfleet::coordinator
