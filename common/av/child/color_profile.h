#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace mimicfleet::av::child {

// What an ICC profile calls the colours of an image, if they are not, near enough, those of sRGB;
// empty if they are, or if it does not say. Of RGB by its primaries and the middle of its curve, of
// grey by its curve; where it has none, by its name. Reads no further than the bytes go.
[[nodiscard]] std::string other_than_srgb(std::span<const std::uint8_t> profile);

}  // namespace mimicfleet::av::child
