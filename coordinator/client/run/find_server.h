#pragma once

#include <memory>
#include <optional>
#include <string>

#include "coordinator/client/run/connection.h"

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

}  // namespace mimicfleet::coordinator
