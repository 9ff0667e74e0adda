#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

// Image files made byte by byte, for what no program at hand writes.
namespace mimicfleet::av {

inline std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  return out;
}

inline std::string little_endian(std::uint64_t value, int bytes) {
  const std::string out = big_endian(value, bytes);
  return {out.rbegin(), out.rend()};
}

// EXIF metadata with an orientation, as the second entry of its directory.
inline std::string exif(int orientation, bool is_little_endian, int type = 3) {
  const auto number = [&](std::uint64_t value, int bytes) {
    return is_little_endian ? little_endian(value, bytes) : big_endian(value, bytes);
  };
  const std::string value = type == 3
                                ? number(static_cast<std::uint64_t>(orientation), 2) + std::string(2, '\0')
                                : number(static_cast<std::uint64_t>(orientation), 4);
  return (is_little_endian ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) +  //
         number(0x0100, 2) + number(4, 2) + number(1, 4) + number(640, 4) +                // its width
         number(0x0112, 2) + number(static_cast<std::uint64_t>(type), 2) + number(1, 4) + value +  //
         number(0, 4);
}

inline std::string png_chunk(const std::string& kind, const std::string& data) {
  const std::string body = kind + data;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(data.size(), 4) + body + big_endian(crc, 4);
}

// color_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA. `rows` without filter bytes; `chunks`
// stand before the pixels, `late_chunks` after them.
struct Png {
  int width = 0;
  int height = 0;
  int depth = 8;
  int color_type = 0;
  std::vector<std::string> rows{};
  std::string chunks{};
  std::string late_chunks{};

  [[nodiscard]] std::string bytes() const {
    std::string pixels;
    for (const std::string& row : rows) pixels += '\0' + row;
    uLongf size = ::compressBound(pixels.size());
    std::string packed(size, '\0');
    ::compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(pixels.data()),
               pixels.size());
    packed.resize(size);
    const std::string header = big_endian(static_cast<std::uint64_t>(width), 4) +
                               big_endian(static_cast<std::uint64_t>(height), 4) + static_cast<char>(depth) +
                               static_cast<char>(color_type) + std::string(3, '\0');
    return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + chunks + png_chunk("IDAT", packed) +
           late_chunks + png_chunk("IEND", "");
  }
};

// The JPEG with a segment of these metadata after its start.
inline std::string jpeg_with_exif(std::string jpeg, const std::string& metadata) {
  using namespace std::string_literals;
  const std::string payload = "Exif\0\0"s + metadata;
  return jpeg.insert(2, "\xff\xe1"s + big_endian(payload.size() + 2, 2) + payload);
}

inline std::string riff_chunk(const std::string& kind, const std::string& data) {
  return kind + little_endian(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}

// The plain WebP ("VP8 " or "VP8L") in an extended one with these metadata.
inline std::string webp_with_exif(const std::string& webp, const std::string& metadata, int width,
                                  int height) {
  using namespace std::string_literals;
  const std::string picture = webp.substr(12);
  const std::string canvas = little_endian(static_cast<std::uint64_t>(width - 1), 3) +
                             little_endian(static_cast<std::uint64_t>(height - 1), 3);
  const std::string body =
      "WEBP"s + riff_chunk("VP8X", "\x08\0\0\0"s + canvas) + picture + riff_chunk("EXIF", metadata);
  return "RIFF" + little_endian(body.size(), 4) + body;
}

}  // namespace mimicfleet::av
