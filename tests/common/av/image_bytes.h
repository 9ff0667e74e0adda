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
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(value >> shift & 0xff);
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
  const std::string value =
      type == 3 ? number(static_cast<std::uint64_t>(orientation), 2) + std::string(2, '\0')
                : number(static_cast<std::uint64_t>(orientation), 4);
  return (is_little_endian ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) +  //
         number(0x0100, 2) + number(4, 2) + number(1, 4) + number(640, 4) +  // its width
         number(0x0112, 2) + number(static_cast<std::uint64_t>(type), 2) + number(1, 4) +
         value +  //
         number(0, 4);
}

inline std::string png_chunk(const std::string& kind, const std::string& data) {
  const std::string body = kind + data;
  const auto crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(data.size(), 4) + body + big_endian(crc, 4);
}

inline std::string deflated(const std::string& bytes) {
  uLongf size = ::compressBound(bytes.size());
  std::string packed(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &size,
             reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  packed.resize(size);
  return packed;
}

// EXIF metadata as ImageMagick, exiftool and others put them into the text of a PNG.
inline std::string raw_profile(const std::string& exif) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "\nexif\n" + std::string(6, ' ') + std::to_string(exif.size());
  for (std::size_t i = 0; i < exif.size(); ++i) {
    if (i % 36 == 0) text += '\n';
    const auto byte = static_cast<unsigned char>(exif[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text + '\n';
}

// An ICC profile of RGB by these primaries (D50), or of grey if there are none, and a gamma.
inline std::string icc(const std::string& name, const std::vector<std::vector<double>>& primaries,
                       double gamma) {
  using namespace std::string_literals;
  const auto fixed = [](double value) {
    return big_endian(static_cast<std::uint32_t>(static_cast<std::int32_t>(value * 65536)), 4);
  };
  std::vector<std::pair<std::string, std::string>> tags;
  tags.emplace_back(
      "desc", "desc\0\0\0\0"s + big_endian(name.size() + 1, 4) + name + std::string(79, '\0'));
  const std::string curve = "para"s + std::string(8, '\0') + fixed(gamma);
  if (primaries.empty()) tags.emplace_back("kTRC", curve);
  for (std::size_t i = 0; i < primaries.size(); ++i) {
    std::string xyz = "XYZ \0\0\0\0"s;
    for (const double value : primaries[i]) xyz += fixed(value);
    tags.emplace_back(std::string(1, "rgb"[i]) + "XYZ", xyz);
    tags.emplace_back(std::string(1, "rgb"[i]) + "TRC", curve);
  }
  std::string list = big_endian(tags.size(), 4);
  std::string data;
  for (auto& [tag, bytes] : tags) {
    bytes.resize((bytes.size() + 3) / 4 * 4);
    list +=
        tag + big_endian(128 + 4 + 12 * tags.size() + data.size(), 4) + big_endian(bytes.size(), 4);
    data += bytes;
  }
  const std::string header = std::string(8, '\0') + "\x02\x40\0\0"s + "mntr" +
                             (primaries.empty() ? "GRAY" : "RGB ") + "XYZ " +
                             std::string(12, '\0') + "acsp" + std::string(28, '\0') +
                             fixed(0.9642) + fixed(1) + fixed(0.8249) + std::string(48, '\0');
  return big_endian(128 + list.size() + data.size(), 4) + header.substr(4) + list + data;
}

// color_type: 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA. `rows` without filter bytes;
// `chunks` stand before the pixels, `late_chunks` after them.
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
    const std::string header = big_endian(static_cast<std::uint64_t>(width), 4) +
                               big_endian(static_cast<std::uint64_t>(height), 4) +
                               static_cast<char>(depth) + static_cast<char>(color_type) +
                               std::string(3, '\0');
    return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + chunks +
           png_chunk("IDAT", deflated(pixels)) + late_chunks + png_chunk("IEND", "");
  }
};

inline std::string jpeg_segment(char kind, const std::string& payload) {
  return std::string("\xff") + kind + big_endian(payload.size() + 2, 2) + payload;
}

// The JPEG with a segment of these metadata after its start.
inline std::string jpeg_with_exif(std::string jpeg, const std::string& metadata) {
  using namespace std::string_literals;
  return jpeg.insert(2, jpeg_segment('\xe1', "Exif\0\0"s + metadata));
}

inline std::string riff_chunk(const std::string& kind, const std::string& data) {
  return kind + little_endian(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}

// The plain WebP ("VP8 " or "VP8L") in an extended one with these chunks before and behind the
// picture.
inline std::string extended_webp(const std::string& webp, int width, int height, char flags,
                                 const std::string& before, const std::string& behind) {
  using namespace std::string_literals;
  const std::string picture = webp.substr(12);
  const std::string canvas = little_endian(static_cast<std::uint64_t>(width - 1), 3) +
                             little_endian(static_cast<std::uint64_t>(height - 1), 3);
  const std::string body =
      "WEBP"s + riff_chunk("VP8X", flags + "\0\0\0"s + canvas) + before + picture + behind;
  return "RIFF" + little_endian(body.size(), 4) + body;
}

inline std::string webp_with_exif(const std::string& webp, const std::string& metadata, int width,
                                  int height) {
  return extended_webp(webp, width, height, '\x08', "", riff_chunk("EXIF", metadata));
}

}  // namespace mimicfleet::av
