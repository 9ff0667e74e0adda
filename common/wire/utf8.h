#pragma once

#include <string_view>

namespace mimicfleet::wire {

// True if `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace mimicfleet::wire
