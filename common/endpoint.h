#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mimicfleet {

// Whether a ZeroMQ endpoint such as tcp://127.0.0.1:5555 can be reached from its own host alone.
// What is no TCP endpoint can.
[[nodiscard]] bool is_local_endpoint(std::string_view endpoint);

// HOST:PORT at its last colon: a host may be an IPv6 address in brackets. Without a colon all is
// the host.
struct HostAndPort {
  std::string_view host;
  std::optional<std::string_view> port;
};
[[nodiscard]] HostAndPort split_host_and_port(std::string_view text);

// A number from 0 to 65535 and nothing else.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view text);

}  // namespace mimicfleet
