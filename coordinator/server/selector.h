#pragma once

#include <cstdint>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::coordinator {

// Job numbers from `first` to `last`, both included.
struct JobSelector {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool all = false;
};

// `7`, `2-5`, `last` or `all`; `newest` is the number of the last job. kInvalidArgument otherwise.
[[nodiscard]] Result<JobSelector> parse_selector(std::string_view text, std::uint64_t newest);

}  // namespace mimicfleet::coordinator
