#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "common/av/media_child.h"
#include "common/av/source.h"
#include "common/av/video.h"
#include "common/files/io.h"

namespace mimicfleet::av {
namespace {

std::string flag(std::string_view name, std::int64_t value) {
  return "--" + std::string(name) + '=' + std::to_string(value);
}

using Task = RecordOrder::Task;

// A child on an open file, and what it says first.
struct Started {
  std::unique_ptr<MediaChild> child;
  StreamInfo info;
  ReadingNotes notes;
};

Result<Started> start(int fd, const std::string& name, Task task, const DecodeOptions& options) {
  ASSIGN_OR_RETURN(const std::string format, find_format(fd, name, Wanted::kVideo));
  const DecodeLimits& limits = options.limits;
  Started out;
  ASSIGN_OR_RETURN(
      out.child, MediaChild::start(
                     {.name = name,
                      .file = fd,
                      .arguments = {task == Task::kProbe ? "probe" : "decode", "--format=" + format,
                                    "--reading=" + options.reading.text(),
                                    flag("sample-stride", options.sample_stride),
                                    flag("stride-follows-fps", options.stride_follows_fps ? 1 : 0),
                                    flag("max-pixels", limits.max_pixels),
                                    flag("max-frames", limits.max_frames),
                                    flag("memory-bytes", limits.memory_bytes),
                                    flag("cpu-seconds", limits.cpu_seconds)},
                      .wait_seconds = limits.wait_seconds,
                      .order = RecordOrder(task, limits.max_pixels, limits.max_frames),
                      .stop = options.stop}));
  ASSIGN_OR_RETURN(out.info, out.child->read_info(limits));
  ASSIGN_OR_RETURN(out.notes, out.child->read_notes());
  return out;
}

}  // namespace

// Continued fractions: each turn is the best fraction of its size.
Rational Rational::nearest(double value) {
  constexpr std::int64_t kLargest = 1'000'000'000;
  if (!(value >= 1e-3 && value <= 1e6)) return {0, 1};
  std::array<std::int64_t, 2> fraction{1, 0};
  std::array<std::int64_t, 2> before{0, 1};
  for (double rest = value;;) {
    const auto whole = static_cast<std::int64_t>(rest);
    const std::array next{whole * fraction[0] + before[0], whole * fraction[1] + before[1]};
    if (next[0] > kLargest || next[1] > kLargest) break;
    before = std::exchange(fraction, next);
    const double reached = static_cast<double>(fraction[0]) / static_cast<double>(fraction[1]);
    if (std::abs(reached - value) <= 1e-9 * value) break;
    rest = 1 / (rest - static_cast<double>(whole));
  }
  return {static_cast<int>(fraction[0]), static_cast<int>(fraction[1])};
}

struct VideoFrames::Impl {
  std::unique_ptr<MediaChild> child;
  StreamInfo info;
  ReadingNotes notes;
  std::vector<std::string> late_warnings;
  Status error;  // the first one, returned ever after
  bool over = false;
  std::int64_t decoded = 0;

  static Result<VideoFrames> open(int fd, const std::string& name, const DecodeOptions& options);
  Result<std::optional<Frame>> next();
};

VideoFrames::VideoFrames(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VideoFrames::~VideoFrames() = default;
VideoFrames::VideoFrames(VideoFrames&&) noexcept = default;
VideoFrames& VideoFrames::operator=(VideoFrames&&) noexcept = default;

Result<VideoFrames> VideoFrames::Impl::open(int fd, const std::string& name,
                                            const DecodeOptions& options) {
  if (options.sample_stride < 1) {
    return Status(StatusCode::kInvalidArgument,
                  "sample stride " + std::to_string(options.sample_stride) + ": must be 1 or more");
  }
  ASSIGN_OR_RETURN(auto started, start(fd, name, Task::kDecode, options));
  auto impl = std::make_unique<Impl>();
  impl->child = std::move(started.child);
  impl->info = std::move(started.info);
  impl->notes = std::move(started.notes);
  return VideoFrames(std::move(impl));
}

Result<std::optional<Frame>> VideoFrames::Impl::next() {
  if (!error.ok()) return error;
  if (over) return std::optional<Frame>();
  Frame frame;
  auto header = child->read(frame.image.pixels);
  while (header.ok() && header->type == RecordType::kNotes) {
    auto late = decode_notes(frame.image.pixels);
    if (!late.ok()) return error = late.status().prefixed(child->name());
    std::move(late->warnings.begin(), late->warnings.end(), std::back_inserter(late_warnings));
    header = child->read(frame.image.pixels);
  }
  if (!header.ok()) return error = header.status();
  if (header->type == RecordType::kEnd) {
    over = true;
    decoded = static_cast<std::int64_t>(header->index);
    child.reset();
    return std::optional<Frame>();
  }
  CHECK(header->type == RecordType::kFrame);  // RecordOrder accepts nothing else here
  frame.index = static_cast<std::int64_t>(header->index);
  frame.image.width = static_cast<int>(header->width);
  frame.image.height = static_cast<int>(header->height);
  return std::optional(std::move(frame));
}

Result<VideoFrames> VideoFrames::open(const std::string& path, const DecodeOptions& options) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return Impl::open(fd.get(), path, options);
}

Result<VideoFrames> VideoFrames::open(const StableFile& file, const DecodeOptions& options) {
  return Impl::open(file.fd(), file.path(), options);
}

const VideoInfo& VideoFrames::info() const { return impl_->info.video; }
const ReadingNotes& VideoFrames::notes() const { return impl_->notes; }
const std::vector<std::string>& VideoFrames::late_warnings() const { return impl_->late_warnings; }
std::int64_t VideoFrames::stride() const { return impl_->info.stride; }
std::int64_t VideoFrames::decoded_frames() const { return impl_->decoded; }
Result<std::optional<Frame>> VideoFrames::next() { return impl_->next(); }

Result<VideoInfo> probe_video(const std::string& path, const DecodeLimits& limits) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  ASSIGN_OR_RETURN(auto started, start(fd.get(), path, Task::kProbe, {.limits = limits}));
  return std::move(started.info.video);
}

Result<std::int64_t> count_frames(const std::string& path, const DecodeLimits& limits) {
  // A stride beyond any video: one frame is delivered, all are decoded.
  ASSIGN_OR_RETURN(auto frames,
                   VideoFrames::open(path, {.sample_stride = static_cast<int>(kMaxStride),
                                            .stride_follows_fps = false,
                                            .limits = limits}));
  for (;;) {
    ASSIGN_OR_RETURN(const auto frame, frames.next());
    if (!frame) return frames.decoded_frames();
  }
}

}  // namespace mimicfleet::av
