#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mimicfleet::media {

// How many first bytes of a file sniff() wants to see.
inline constexpr std::size_t kSniffBytes = 1024;

enum class FileKind { kVideo, kImage, kUnsupported, kForeign };

// What the first bytes of a file say it is; its name says nothing.
struct Sniffed {
  FileKind kind = FileKind::kForeign;
  std::string_view format;       // FFmpeg's demuxer of a video; "png", "jpeg", "webp" of an image
  std::string_view description;  // for people: "a text file", "an MP4"
};

[[nodiscard]] Sniffed sniff(std::span<const std::uint8_t> head);

}  // namespace mimicfleet::media
