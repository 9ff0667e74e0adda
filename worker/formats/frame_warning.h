#pragma once

#include <cstdint>
#include <string>

namespace mimicfleet::formats {

// What the decoder tells with a frame, and why it matters from there on.
struct FrameWarning {
  std::int64_t frame = 0;  // of the sampled ones
  std::string text;

  friend bool operator==(const FrameWarning&, const FrameWarning&) = default;
};

}  // namespace mimicfleet::formats
