#pragma once

#include <string>
#include <string_view>

namespace mimicfleet::wire {

// True if `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

// The text, if it is UTF-8; else with its bytes beyond ASCII made visible (\xe9), so that it can be
// sent.
[[nodiscard]] std::string in_utf8(std::string_view text);

}  // namespace mimicfleet::wire
