#pragma once

#include <cstdint>

namespace mimicfleet::media::child {

inline constexpr std::uint8_t kOpaque = 255;

// A colour of this alpha (not multiplied by it) on white, rounded to the nearest.
[[nodiscard]] inline std::uint8_t on_white(std::uint8_t color, std::uint8_t alpha) {
  const unsigned sum = unsigned{color} * alpha + 255U * (kOpaque - alpha);
  return static_cast<std::uint8_t>((sum + 127) / 255);
}

}  // namespace mimicfleet::media::child
