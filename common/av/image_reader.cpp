#include "common/av/image.h"
#include "common/av/media_child.h"
#include "common/av/source.h"
#include "common/files/file_identity.h"
#include "common/files/io.h"

namespace mimicfleet::av {
namespace {

Result<Image> read_open_image(int fd, const std::string& name, const ImageLimits& limits,
                              std::shared_ptr<MediaStop> stop) {
  ASSIGN_OR_RETURN(const std::string format, find_format(fd, name, Wanted::kImage));
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(fd, name));
  if (identity.size > static_cast<std::uint64_t>(limits.max_file_bytes)) {
    return Status(StatusCode::kBadInput, name + ": has " + std::to_string(identity.size) +
                                             " bytes, more than the limit of " +
                                             std::to_string(limits.max_file_bytes) + "; scale it down");
  }
  ASSIGN_OR_RETURN(auto child,
                   MediaChild::start({.name = name,
                                      .file = fd,
                                      .arguments = {"image", "--format=" + format,
                                                    "--max-pixels=" + std::to_string(limits.max_pixels),
                                                    "--memory-bytes=" + std::to_string(limits.memory_bytes),
                                                    "--cpu-seconds=" + std::to_string(limits.cpu_seconds)},
                                      .wait_seconds = limits.wait_seconds,
                                      .order = RecordOrder(RecordOrder::Task::kImage, limits.max_pixels, 1),
                                      .stop = std::move(stop)}));
  Image image;
  ASSIGN_OR_RETURN(const RecordHeader frame, child->read(image.pixels));
  CHECK(frame.type == RecordType::kFrame || image.pixels.empty());
  image.width = static_cast<int>(frame.width);
  image.height = static_cast<int>(frame.height);
  std::vector<std::uint8_t> nothing;
  ASSIGN_OR_RETURN(const RecordHeader end, child->read(nothing));
  CHECK(end.type == RecordType::kEnd);  // RecordOrder accepts nothing else after an image
  return image;
}

}  // namespace

Result<Image> read_image(const std::string& path, const ImageLimits& limits) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return read_open_image(fd.get(), path, limits, nullptr);
}

Result<Image> read_image(const StableFile& file, const ImageLimits& limits, std::shared_ptr<MediaStop> stop) {
  return read_open_image(file.fd(), file.path(), limits, std::move(stop));
}

}  // namespace mimicfleet::av
