#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/av/image.h"
#include "common/av/reading.h"
#include "common/status.h"

// The three image formats. Their colours are those of Pillow's `Image.open(…).convert("RGB")`, as
// the pixels lie in the file. An image of more than `max_pixels` is refused before memory is taken
// for it. Messages lack the file's name.
namespace mimicfleet::av::child {

enum class Cmyk { kNo, kOfAdobe, kUnmarked };

struct StoredImage {
  Image image;                      // with the colours also of what is transparent
  std::vector<std::uint8_t> alpha;  // 255: opaque [height, width]; empty: all of it
  int exif_orientation = 1;         // 1 to 8
  bool wide_grey = false;           // it has 16-bit grey
  std::string profile;              // the name of its colours, if they are not those of sRGB
  Cmyk cmyk = Cmyk::kNo;
};

// `scale_grey`: 16-bit grey is scaled to 8 bits; else it is clipped, as Pillow does.
[[nodiscard]] Result<StoredImage> decode_png(std::span<const std::uint8_t> file,
                                             std::int64_t max_pixels, bool scale_grey);
[[nodiscard]] Result<StoredImage> decode_jpeg(std::span<const std::uint8_t> file,
                                              std::int64_t max_pixels);
[[nodiscard]] Result<StoredImage> decode_webp(std::span<const std::uint8_t> file,
                                              std::int64_t max_pixels);

// An image of this size, or the refusal.
[[nodiscard]] Result<Image> empty_image(std::int64_t width, std::int64_t height,
                                        std::int64_t max_pixels);

// What every decoder says of a file that it cannot read to its end.
[[nodiscard]] Status damaged_image(const char* why);

// The image as `allowed` says, and which of that it needed.
struct ShownImage {
  Image image;
  ReadingNotes notes;
};
[[nodiscard]] ShownImage show(StoredImage stored, Reading allowed);

}  // namespace mimicfleet::av::child
