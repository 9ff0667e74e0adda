#pragma once

#include <cstdint>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::config {

// Bytes as people write them: `500M`, `1.5T`, `20GB`, `4096`; powers of 1000. kInvalidArgument
// otherwise, and for 0.
[[nodiscard]] Result<std::uint64_t> parse_byte_size(std::string_view text);

}  // namespace mimicfleet::config
