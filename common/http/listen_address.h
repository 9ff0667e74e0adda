#pragma once

#include <cstdint>
#include <string>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet::http {

// Where a server listens: HOST:PORT with HOST a name, an IPv4 address or an IPv6 address in
// brackets.
struct ListenAddress {
  std::string host;  // without brackets
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;  // HOST:PORT
};

// A port alone means the loopback interface, never all of them. kInvalidArgument: malformed.
[[nodiscard]] Result<ListenAddress> parse_listen_address(const std::string& text);

struct Listener {
  UniqueFd socket;
  ListenAddress address;  // the port filled in
};

// kFailedPrecondition: the address is taken, not ours or not known.
[[nodiscard]] Result<Listener> listen_on(const ListenAddress& address);

}  // namespace mimicfleet::http
