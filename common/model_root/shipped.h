#pragma once

#include <optional>
#include <string>

namespace mimicfleet::model_root {

// The small pack that comes with the running program, in its source tree or its installation, if it
// is there.
[[nodiscard]] std::optional<std::string> shipped_root();

}  // namespace mimicfleet::model_root
