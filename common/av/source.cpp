#include "common/av/source.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "common/files/io.h"
#include "common/files/stand_in.h"

namespace mimicfleet::av {

Result<std::string> find_format(int fd, std::string_view name, Wanted wanted) {
  std::array<std::uint8_t, kSniffBytes> head{};
  ssize_t size = 0;
  do {
    size = ::pread(fd, head.data(), head.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return file_error(name, "cannot be read", errno, StatusCode::kBadInput);

  const bool video = wanted == Wanted::kVideo;
  const std::string start = std::string(name) + ": ";
  if (size == 0) return Status(StatusCode::kBadInput, start + "is empty (0 bytes); copy it again");
  const std::span begin = std::span(head).first(static_cast<std::size_t>(size));
  const StandIn instead = stand_in_of({reinterpret_cast<const char*>(begin.data()), begin.size()});
  if (instead != StandIn::kNone)
    return Status(StatusCode::kBadInput, start + std::string(why_stand_in(instead)));
  const Sniffed found = sniff(begin);
  if (found.kind == (video ? FileKind::kVideo : FileKind::kImage)) return std::string(found.format);

  const std::string what = start + "is " + std::string(found.description);
  if (!video) {
    return Status(StatusCode::kBadInput,
                  what + ", not a PNG, JPEG or WebP image; convert it to PNG");
  }
  if (found.kind == FileKind::kUnsupported) {
    return Status(StatusCode::kUnsupported,
                  what + ", which is not supported; convert it with: ffmpeg -i FILE out.mp4");
  }
  return Status(StatusCode::kBadInput,
                what + ", not a video; give an MP4, MKV, WebM, AVI, TS or GIF");
}

Status check_image_bytes(std::uint64_t bytes, std::string_view name, std::int64_t limit) {
  if (bytes <= static_cast<std::uint64_t>(limit)) return {};
  return {StatusCode::kBadInput, std::string(name) + ": has " + std::to_string(bytes) +
                                     " bytes, more than the limit of " + std::to_string(limit) +
                                     "; scale it down"};
}

}  // namespace mimicfleet::av
