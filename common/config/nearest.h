#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mimicfleet::config {

// The candidate that a mistyped name most likely means (edit distance of at most a third of its
// length, or one that starts with it), or nothing. '-' and '_' are the same, as are upper and lower
// case.
[[nodiscard]] std::optional<std::string> nearest(std::string_view name,
                                                 std::span<const std::string> candidates);

// The candidate at the smallest distance, however large. There must be one.
[[nodiscard]] std::string closest(std::string_view name, std::span<const std::string> candidates);

// The end of an error message: "; did you mean 'steps'?", or when nothing is near "; known are a,
// b, c" or, of many, "; the nearest known one is 'steps'". There must be a candidate.
[[nodiscard]] std::string suggestion(std::string_view name,
                                     std::span<const std::string> candidates);

}  // namespace mimicfleet::config
