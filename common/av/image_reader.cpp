#include "common/av/image.h"
#include "common/av/media_child.h"
#include "common/av/source.h"
#include "common/files/file_identity.h"
#include "common/files/io.h"

namespace mimicfleet::av {
namespace {

Result<ReadImage> read_open_image(int fd, const std::string& name, Reading reading,
                                  const ImageLimits& limits, std::shared_ptr<MediaStop> stop) {
  ASSIGN_OR_RETURN(const std::string format, find_format(fd, name, Wanted::kImage));
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(fd, name));
  RETURN_IF_ERROR(check_image_bytes(identity.size, name, limits.max_file_bytes));
  ASSIGN_OR_RETURN(
      auto child,
      MediaChild::start({.name = name,
                         .file = fd,
                         .arguments = {"image", "--format=" + format, "--reading=" + reading.text(),
                                       "--max-pixels=" + std::to_string(limits.max_pixels),
                                       "--memory-bytes=" + std::to_string(limits.memory_bytes),
                                       "--cpu-seconds=" + std::to_string(limits.cpu_seconds)},
                         .wait_seconds = limits.wait_seconds,
                         .order = RecordOrder(RecordOrder::Task::kImage, limits.max_pixels, 1),
                         .stop = std::move(stop)}));
  ReadImage out;
  ASSIGN_OR_RETURN(out.notes, child->read_notes());
  ASSIGN_OR_RETURN(const RecordHeader frame, child->read(out.image.pixels));
  CHECK(frame.type == RecordType::kFrame);
  out.image.width = static_cast<int>(frame.width);
  out.image.height = static_cast<int>(frame.height);
  std::vector<std::uint8_t> nothing;
  ASSIGN_OR_RETURN(const RecordHeader end, child->read(nothing));
  CHECK(end.type == RecordType::kEnd);  // RecordOrder accepts nothing else after an image
  return out;
}

}  // namespace

Result<ReadImage> read_image_as(const std::string& path, Reading reading,
                                const ImageLimits& limits) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return read_open_image(fd.get(), path, reading, limits, nullptr);
}

Result<ReadImage> read_image_as(const StableFile& file, Reading reading, const ImageLimits& limits,
                                std::shared_ptr<MediaStop> stop) {
  return read_open_image(file.fd(), file.path(), reading, limits, std::move(stop));
}

Result<Image> read_image(const std::string& path, const ImageLimits& limits) {
  ASSIGN_OR_RETURN(auto read, read_image_as(path, Reading::original(), limits));
  return std::move(read.image);
}

}  // namespace mimicfleet::av
