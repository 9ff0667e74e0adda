#include "common/media/child/container_extent.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <span>

#include "common/bytes.h"

namespace mimicfleet::media::child {
namespace {

constexpr int kMaxBoxes = 100'000;
constexpr std::uint64_t kFarthest = std::numeric_limits<std::int64_t>::max();

// The `size` bytes at `offset`, zeros past the end of the file.
std::array<std::uint8_t, 16> bytes_at(int fd, std::uint64_t offset) {
  std::array<std::uint8_t, 16> bytes{};
  if (offset < kFarthest) {
    static_cast<void>(::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)) < 0);
  }
  return bytes;
}

std::uint64_t big_endian(const std::uint8_t* bytes, int count) {
  return from_big_endian(std::span(bytes, static_cast<std::size_t>(count)));
}

std::uint64_t add_up_to_limit(std::uint64_t a, std::uint64_t b) {
  return b > kFarthest - a ? kFarthest : a + b;
}

// ISO 14496-12: boxes of a 32-bit size and a type; size 1: 64 bits follow; size 0: to the end of
// the file.
std::uint64_t mp4_extent(int fd) {
  std::uint64_t extent = 0;
  std::uint64_t offset = 0;
  for (int i = 0; i < kMaxBoxes && offset < kFarthest; ++i) {
    const auto head = bytes_at(fd, offset);
    std::uint64_t size = big_endian(head.data(), 4);
    if (size == 1) size = big_endian(head.data() + 8, 8);
    if (size < 8) break;
    const bool index = std::memcmp(head.data() + 4, "moov", 4) == 0 ||
                       std::memcmp(head.data() + 4, "moof", 4) == 0;
    offset = add_up_to_limit(offset, size);
    if (index) extent = std::max(extent, offset);
  }
  return extent;
}

// EBML's sizes: the leading zeros of the first byte tell how many bytes follow; all ones: unknown.
struct EbmlSize {
  std::uint64_t value;
  unsigned bytes;
  bool known;
};
std::optional<EbmlSize> ebml_size(const std::uint8_t* at) {
  if (*at == 0) return std::nullopt;
  const auto length = static_cast<unsigned>(std::countl_zero(*at)) + 1;
  const std::uint64_t ones = (std::uint64_t{1} << (7 * length)) - 1;
  const std::uint64_t value = big_endian(at, static_cast<int>(length)) & ones;
  return EbmlSize{value, length, value != ones};
}

// RFC 9559: an EBML header, then the segment that holds everything.
std::optional<std::uint64_t> matroska_extent(int fd) {
  constexpr std::uint64_t kSegment = 0x18538067;
  constexpr unsigned kIdBytes = 4;
  const auto header = bytes_at(fd, 0);
  const auto header_size = ebml_size(header.data() + kIdBytes);
  if (!header_size) return std::nullopt;
  const std::uint64_t segment_at =
      add_up_to_limit(kIdBytes + header_size->bytes, header_size->value);
  const auto segment = bytes_at(fd, segment_at);
  const auto segment_size = ebml_size(segment.data() + kIdBytes);
  if (big_endian(segment.data(), kIdBytes) != kSegment || !segment_size || !segment_size->known) {
    return std::nullopt;
  }
  return add_up_to_limit(segment_at + kIdBytes + segment_size->bytes, segment_size->value);
}

// "RIFF", then the size of the rest, little-endian; 0 or all ones when the writer did not come back
// to it.
std::optional<std::uint64_t> riff_extent(int fd) {
  const auto head = bytes_at(fd, 0);
  const std::uint64_t size = from_little_endian(std::span(head).subspan(4, 4));
  if (size == 0 || size == 0xffffffff) return std::nullopt;
  return (size & ~std::uint64_t{1}) + 8;  // some count a padding byte that they do not write
}

}  // namespace

std::optional<std::uint64_t> container_extent(int fd, std::string_view format) {
  if (format == "mov") return mp4_extent(fd);
  if (format == "matroska") return matroska_extent(fd);
  if (format == "avi") return riff_extent(fd);
  return std::nullopt;
}

}  // namespace mimicfleet::media::child
