#include "common/av/prober.h"

#include <utility>

#include "common/av/media_child.h"
#include "common/files/file_identity.h"
#include "common/files/io.h"

namespace mimicfleet::av {
namespace {

constexpr int kLooksOfAProcess = 64;

std::string flag(std::string_view name, std::int64_t value) {
  return "--" + std::string(name) + '=' + std::to_string(value);
}

}  // namespace

Prober::Prober(ProberLimits limits) : limits_(limits) {}
Prober::~Prober() = default;
Prober::Prober(Prober&&) noexcept = default;
Prober& Prober::operator=(Prober&&) noexcept = default;

Result<Looked> Prober::video(const std::string& path) { return look(path, Wanted::kVideo); }
Result<Looked> Prober::image(const std::string& path) { return look(path, Wanted::kImage); }

Result<Looked> Prober::look(const std::string& path, Wanted wanted) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  auto looked = ask(fd.get(), path, wanted);
  if (!looked.ok() || --looks_left_ == 0) child_.reset();
  return looked;
}

Result<Looked> Prober::ask(int fd, const std::string& path, Wanted wanted) {
  ASSIGN_OR_RETURN(const std::string format, find_format(fd, path, wanted));
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(fd, path));
  const bool is_image = wanted == Wanted::kImage;
  if (is_image) RETURN_IF_ERROR(check_image_bytes(identity.size, path, limits_.max_image_bytes));
  const std::int64_t max_pixels = is_image ? limits_.max_image_pixels : limits_.max_frame_pixels;
  if (!child_) {
    ASSIGN_OR_RETURN(child_,
                     MediaChild::start_for_many({"look", flag("memory-bytes", limits_.memory_bytes),
                                                 flag("cpu-seconds", limits_.cpu_seconds)}));
    looks_left_ = kLooksOfAProcess;
  }
  RETURN_IF_ERROR(
      child_->give({.name = path,
                    .file = fd,
                    .arguments = {is_image ? "image" : "probe", "--format=" + format,
                                  "--reading=" + Reading::viewer().text(),
                                  flag("file-bytes", static_cast<std::int64_t>(identity.size)),
                                  flag("max-pixels", max_pixels)},
                    .wait_seconds = limits_.wait_seconds,
                    .order = RecordOrder(RecordOrder::Task::kProbe, max_pixels, 1)}));
  Looked looked;
  ASSIGN_OR_RETURN(const StreamInfo info, child_->read_info({.max_pixels = max_pixels}));
  looked.video = info.video;
  ASSIGN_OR_RETURN(looked.notes, child_->read_notes());
  std::vector<std::uint8_t> nothing;
  RETURN_IF_ERROR(child_->read(nothing).status());  // the end
  return looked;
}

}  // namespace mimicfleet::av
