#pragma once

#include <cstdint>
#include <span>

#include "common/av/image.h"
#include "common/status.h"

// The three image formats, each as Pillow's `Image.open(…).convert("RGB")` reads it. An image of more than
// `max_pixels` is refused before memory is taken for it. Messages lack the file's name.
namespace mimicfleet::av::child {

[[nodiscard]] Result<Image> decode_png(std::span<const std::uint8_t> file, std::int64_t max_pixels);
[[nodiscard]] Result<Image> decode_jpeg(std::span<const std::uint8_t> file, std::int64_t max_pixels);
[[nodiscard]] Result<Image> decode_webp(std::span<const std::uint8_t> file, std::int64_t max_pixels);

// An image of this size, or the refusal.
[[nodiscard]] Result<Image> empty_image(std::int64_t width, std::int64_t height, std::int64_t max_pixels);

// What every decoder says of a file that it cannot read to its end.
[[nodiscard]] Status damaged_image(const char* why);

}  // namespace mimicfleet::av::child
