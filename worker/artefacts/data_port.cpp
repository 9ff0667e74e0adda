#include "worker/artefacts/data_port.h"

#include <fmt/format.h>

#include "common/endpoint.h"

namespace mimicfleet::artefacts {

Result<DataPort> data_port(const std::string& advertise, bool insecure) {
  if (advertise.empty()) return DataPort{"tcp://127.0.0.1:*", {}};
  const auto [name, number] = split_host_and_port(advertise);
  const std::string host(name);
  const std::string port(number.value_or("*"));
  if (host.empty() || host.find(':') != std::string::npos ||
      (port != "*" && parse_port(port).value_or(0) == 0)) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--advertise: '{}' is not HOST or HOST:PORT", advertise));
  }
  if (host == "localhost" || host.starts_with("127."))
    return DataPort{"tcp://127.0.0.1:" + port, host};
  if (!insecure) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format(
            "--advertise {}: anybody who reaches that address could read latents; give --insecure "
            "too if all of that network is trusted",
            host));
  }
  return DataPort{"tcp://0.0.0.0:" + port, host};
}

}  // namespace mimicfleet::artefacts
