#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::config {

// `auto`, `cpu` or `cuda:N`, of what people write in any case. `cuda` is `cuda:0`, as in PyTorch.
// kInvalidArgument otherwise.
[[nodiscard]] Result<std::string> parse_device_name(std::string_view text);

}  // namespace mimicfleet::config
