#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/av/media_stop.h"
#include "common/av/reading.h"
#include "common/files/stable_file.h"
#include "common/status.h"

namespace mimicfleet::av {

// 8-bit RGB pixels, row by row: pixels[(y * width + x) * 3 + channel].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]

  [[nodiscard]] static std::size_t bytes(std::int64_t width, std::int64_t height) {
    return static_cast<std::size_t>(width * height * 3);
  }
  friend bool operator==(const Image&, const Image&) = default;
};

struct ImageLimits {
  std::int64_t max_pixels = 100'000'000;
  std::int64_t max_file_bytes = 256 << 20;
  std::int64_t memory_bytes = std::int64_t{3} << 30;  // address space of the decoding process
  int cpu_seconds = 60;
  int wait_seconds = 120;
};

// Reads a PNG, JPEG or WebP file in a child process. The pixels are those of Pillow's
// Image.open(path).convert("RGB"): alpha and colour profile are dropped, palettes and CMYK
// converted, deeper than 8 bits cut, EXIF orientation ignored. Of an animation the first frame.
// Codes as for VideoFrames::open().
[[nodiscard]] Result<Image> read_image(const std::string& path, const ImageLimits& limits = {});

struct ReadImage {
  Image image;
  ReadingNotes notes;
};

// The same with the steps of `reading`; with Reading::viewer() as a viewer shows it: turned by its
// EXIF orientation, 16-bit grey scaled, what is transparent on white.
[[nodiscard]] Result<ReadImage> read_image_as(const std::string& path, Reading reading,
                                              const ImageLimits& limits = {});
// `stop` may end the process that decodes.
[[nodiscard]] Result<ReadImage> read_image_as(const StableFile& file, Reading reading,
                                              const ImageLimits& limits = {},
                                              std::shared_ptr<MediaStop> stop = nullptr);

// Writes a PNG (8-bit RGB, lossless, the same bytes for the same pixels) that appears whole or not
// at all. Codes as AtomicFile.
[[nodiscard]] Status write_png(const std::string& path, const Image& image);

}  // namespace mimicfleet::av
