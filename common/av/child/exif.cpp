#include "common/av/child/exif.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace mimicfleet::av::child {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kEntryBytes = 12;
constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;
constexpr std::uint32_t kLong = 4;

bool begins_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin(),
                    [](char a, auto b) { return static_cast<std::uint8_t>(a) == b; });
}

// Numbers of a TIFF file. What lies past its end is 0.
class Tiff {
 public:
  Tiff(Bytes bytes, bool little_endian) : bytes_(bytes), little_endian_(little_endian) {}

  [[nodiscard]] std::uint32_t number(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | bytes_[offset + (little_endian_ ? size - 1 - i : i)];
    }
    return value;
  }

 private:
  Bytes bytes_;
  bool little_endian_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::optional<int> exif_orientation(Bytes exif) {
  using namespace std::string_view_literals;
  if (begins_with(exif, "Exif\0\0"sv)) exif = exif.subspan(6);
  const bool little_endian = begins_with(exif, "II*\0"sv);
  if (!little_endian && !begins_with(exif, "MM\0*"sv)) return std::nullopt;
  const Tiff tiff(exif, little_endian);
  const std::size_t directory = tiff.number(4, 4);
  if (directory < kHeaderBytes) return std::nullopt;
  const std::uint32_t entries = tiff.number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (entry >= exif.size()) break;
    if (tiff.number(entry, 2) != kOrientationTag) continue;
    const std::uint32_t type = tiff.number(entry + 2, 2);
    if ((type != kShort && type != kLong) || tiff.number(entry + 4, 4) != 1) break;
    const std::uint32_t value = tiff.number(entry + 8, type == kShort ? 2 : 4);
    if (value < 1 || value > 8) break;
    return static_cast<int>(value);
  }
  return std::nullopt;
}

std::optional<int> raw_profile_orientation(std::string_view text) {
  constexpr int kLinesBefore = 3;  // an empty one, the kind, the length
  for (int line = 0; line < kLinesBefore; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  std::vector<std::uint8_t> exif;
  unsigned value = 1;  // a leading 1 tells when two digits are there
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    const int digit = hex_digit(c);
    if (digit < 0) break;
    value = value << 4 | static_cast<unsigned>(digit);
    if (value < 0x100) continue;
    exif.push_back(static_cast<std::uint8_t>(value));
    value = 1;
  }
  return exif_orientation(exif);
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName)) {
    xmp.remove_prefix(at + kName.size());
    for (const std::string_view before : {"=\"", "='", ">"}) {
      if (!xmp.starts_with(before) || xmp.size() < before.size() + 2) continue;
      const char digit = xmp[before.size()];
      const char next = xmp[before.size() + 1];
      if (digit >= '1' && digit <= '8' && (next == before.back() || next == '<'))
        return digit - '0';
    }
  }
  return std::nullopt;
}

}  // namespace mimicfleet::av::child
