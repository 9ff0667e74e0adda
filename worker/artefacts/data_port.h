#pragma once

#include <string>

#include "common/status.h"

namespace mimicfleet::artefacts {

// Where the data port is bound and under which name others reach it.
struct DataPort {
  std::string bind_endpoint;    // "tcp://127.0.0.1:*"
  std::string advertised_host;  // empty: as bound
};

// Of `--advertise` and `--insecure`. kInvalidArgument: malformed, or an address that others can
// reach without --insecure.
[[nodiscard]] Result<DataPort> data_port(const std::string& advertise, bool insecure);

}  // namespace mimicfleet::artefacts
