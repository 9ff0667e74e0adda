#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "common/av/child/image_decoders.h"
#include "common/av/child/output.h"
#include "common/av/child/tasks.h"

namespace mimicfleet::av::child {
namespace {

Result<std::vector<std::uint8_t>> read_whole(int fd, std::int64_t size) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  for (std::size_t have = 0; have < bytes.size();) {
    const ssize_t got =
        ::pread(fd, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Status(StatusCode::kUnavailable,
                    std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) return Status(StatusCode::kInputChanged, "became shorter while it was read");
    have += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<StoredImage> decode(const ImageTask& task, std::span<const std::uint8_t> file) {
  if (task.format == "png") return decode_png(file, task.max_pixels, task.reading.has(Step::kDeep));
  if (task.format == "jpeg") return decode_jpeg(file, task.max_pixels);
  if (task.format == "webp") return decode_webp(file, task.max_pixels);
  return Status(StatusCode::kUnsupported, "is of an unsupported image format");
}

}  // namespace

Result<Image> empty_image(std::int64_t width, std::int64_t height, std::int64_t max_pixels) {
  if (width < 1 || height < 1) return damaged_image("no size");
  if (height > max_pixels / width) {
    return Status(StatusCode::kBadInput, "has " + std::to_string(width) + "x" +
                                             std::to_string(height) +
                                             " pixels, more than the limit of " +
                                             std::to_string(max_pixels) + "; scale it down");
  }
  Image image{.width = static_cast<int>(width), .height = static_cast<int>(height), .pixels = {}};
  image.pixels.resize(Image::bytes(width, height));
  return image;
}

Status damaged_image(const char* why) {
  return {StatusCode::kBadInput,
          std::string("is damaged or truncated (") + why + "); copy it again"};
}

Status decode_image(const ImageTask& task) {
  ASSIGN_OR_RETURN(const auto file, read_whole(task.fd, task.file_bytes));
  ASSIGN_OR_RETURN(StoredImage stored, decode(task, file));
  const ShownImage shown = show(std::move(stored), task.reading);
  if (task.look_only) {
    StreamInfo info;
    info.video.width = shown.image.width;
    info.video.height = shown.image.height;
    info.video.container = info.video.codec = task.format;
    send_info(info);
  }
  send_notes(shown.notes);
  if (!task.look_only) send_frame(shown.image, 0);
  send_end(task.look_only ? 0 : 1);
  return {};
}

}  // namespace mimicfleet::av::child
