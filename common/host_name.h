#pragma once

#include <string>

namespace mimicfleet {

// As this machine calls itself.
[[nodiscard]] std::string host_name();

}  // namespace mimicfleet
