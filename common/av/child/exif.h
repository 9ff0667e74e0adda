#pragma once

#include <cstdint>
#include <span>

namespace mimicfleet::av::child {

// The orientation, 1 to 8, that EXIF metadata say: a TIFF header in either byte order and a first directory,
// with or without "Exif\0\0" before it. 1 if they do not say, or not in the way of the standard. Reads no
// further than the bytes go and each entry of the directory once.
[[nodiscard]] int exif_orientation(std::span<const std::uint8_t> exif);

}  // namespace mimicfleet::av::child
