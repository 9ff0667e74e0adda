#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace mimicfleet::av::child {

// The orientation, 1 to 8, that EXIF metadata say: a TIFF header in either byte order and a first
// directory, with or without "Exif\0\0" before it. Nothing if they do not say, or not in the way of
// the standard. Reads no further than the bytes go and each entry of the directory once.
[[nodiscard]] std::optional<int> exif_orientation(std::span<const std::uint8_t> exif);

// The same of EXIF metadata in the text of a PNG, as they were kept before it had a chunk for them:
// a line with their kind, one with their length, then lines of hexadecimal digits.
[[nodiscard]] std::optional<int> raw_profile_orientation(std::string_view text);

// The same of XMP metadata: what stands at tiff:Orientation.
[[nodiscard]] std::optional<int> xmp_orientation(std::string_view xmp);

}  // namespace mimicfleet::av::child
