#pragma once

#include <string>

#include <fmt/format.h>

#include "common/status.h"

namespace mimicfleet::coordinator {

// kInvalidArgument: "words.csv, line 3: names no video".
[[nodiscard]] inline Status error_at(const std::string& where, const std::string& cause) {
  return {StatusCode::kInvalidArgument, fmt::format("{}: {}", where, cause)};
}

}  // namespace mimicfleet::coordinator
