#include <algorithm>
#include <cmath>

#include "common/av/child/converter.h"
#include "common/av/child/decoder.h"
#include "common/av/child/demuxer.h"
#include "common/av/child/output.h"
#include "common/av/child/tasks.h"

namespace mimicfleet::av::child {
namespace {

// MimicMotion's preprocess: `sample_stride * max(1, int(fps / 24))` over decord's average fps.
std::int64_t stride_of(const DecodeOptions& options, const VideoInfo& video) {
  std::int64_t factor = 1;
  if (options.stride_follows_fps) {
    factor = std::max<std::int64_t>(1, static_cast<std::int64_t>(video.average_fps.value() / 24));
  }
  return std::min(options.sample_stride * factor, kMaxStride);
}

}  // namespace

Status decode_video(const DecodeTask& task) {
  const DecodeLimits& limits = task.options.limits;
  ASSIGN_OR_RETURN(const auto demuxer, Demuxer::open(task.fd, task.file_bytes, task.format, limits));
  const VideoInfo video = demuxer->info();
  if (video.width < 1 || video.height < 1) {
    return {StatusCode::kBadInput, "does not say how large its frames are; convert it with ffmpeg"};
  }
  const std::int64_t stride = stride_of(task.options, video);
  if (task.header_only) {
    send_info({.video = video, .stride = stride});
    send_end(0);
    return {};
  }
  ASSIGN_OR_RETURN(auto decoder, Decoder::open(*demuxer, limits));
  ASSIGN_OR_RETURN(auto converter, Converter::create(video));
  send_info({.video = video, .stride = stride});
  for (std::int64_t index = 0;; ++index) {
    ASSIGN_OR_RETURN(const AVFrame* const frame, decoder.next());
    if (frame == nullptr) break;
    if (index % stride != 0) continue;
    ASSIGN_OR_RETURN(const Image* const image, converter.convert(*frame));
    send_frame(*image, static_cast<std::uint64_t>(index));
  }
  send_end(static_cast<std::uint64_t>(decoder.decoded()));
  return {};
}

}  // namespace mimicfleet::av::child
