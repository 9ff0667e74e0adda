#pragma once

#include <string>

#include "common/status.h"

namespace mimicfleet::coordinator {

// kInvalidArgument: "clips/a.avi: is empty".
[[nodiscard]] Status wrong_path(const std::string& path, const std::string& cause);

// Of ASCII letters; all else stays.
[[nodiscard]] std::string lower(std::string text);

}  // namespace mimicfleet::coordinator
