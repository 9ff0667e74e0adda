#pragma once

#include <string_view>

namespace mimicfleet {

// Whether a ZeroMQ endpoint such as tcp://127.0.0.1:5555 can be reached from its own host alone. What is no
// TCP endpoint can.
[[nodiscard]] bool is_local_endpoint(std::string_view endpoint);

}  // namespace mimicfleet
