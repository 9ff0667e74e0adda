#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mimicfleet::config {

// The candidate that a mistyped name most likely means (edit distance of at most a third of its length), or
// nothing. '-' and '_' count as one character.
[[nodiscard]] std::optional<std::string> nearest(std::string_view name,
                                                 std::span<const std::string> candidates);

// "; did you mean 'steps'?" or, when nothing is near, "; known are a, b, c".
[[nodiscard]] std::string suggestion(std::string_view name, std::span<const std::string> candidates);

}  // namespace mimicfleet::config
