#include <algorithm>
#include <cmath>

#include "common/av/child/converter.h"
#include "common/av/child/decoder.h"
#include "common/av/child/deinterlacer.h"
#include "common/av/child/demuxer.h"
#include "common/av/child/output.h"
#include "common/av/child/presentation.h"
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

// What of a video is shown, and how.
struct Opened {
  VideoInfo video;
  Presentation presentation;
};

Result<Opened> present(const DecodeTask& task, const Demuxer& demuxer, const AVFrame* first) {
  const std::int64_t max_pixels = task.options.limits.max_pixels;
  Opened out{.video = demuxer.info(),
             .presentation = presentation_of(demuxer, first, task.options.reading, max_pixels)};
  out.video.rotation = out.presentation.orientation.rotation;
  out.video.width = out.presentation.shown_width();
  out.video.height = out.presentation.shown_height();
  if (out.video.width >= 1 && out.video.height >= 1) return out;
  return Status(StatusCode::kBadInput, "does not say how large its frames are; convert it with ffmpeg");
}

void send_opened(const DecodeTask& task, const Opened& opened) {
  send_info({.video = opened.video, .stride = stride_of(task.options, opened.video)});
  send_notes(opened.presentation.notes);
}

// Streams whose parser does not say that they are progressive may begin with a frame that is and go on
// without.
constexpr int kLooksForFields = 4;

bool soon_interlaced(const Demuxer& demuxer, Decoder& decoder) {
  if (as_number(demuxer.stream().codecpar->field_order) == AV_FIELD_PROGRESSIVE) return false;
  for (int i = 1; i < kLooksForFields; ++i) {
    const auto frame = decoder.next();
    if (!frame.ok() || *frame == nullptr) return false;
    if ((*frame)->interlaced_frame != 0) return true;
  }
  return false;
}

}  // namespace

// A header is also read of what does not decode: that is told when it is decoded.
Status look_at_video(const DecodeTask& task) {
  const DecodeLimits& limits = task.options.limits;
  ASSIGN_OR_RETURN(const auto demuxer, Demuxer::open(task.fd, task.file_bytes, task.format, limits));
  auto decoder = Decoder::open(*demuxer, limits);
  const auto first = decoder.ok() ? decoder->next() : Result<const AVFrame*>(nullptr);
  ASSIGN_OR_RETURN(Opened opened, present(task, *demuxer, first.ok() ? *first : nullptr));
  ReadingNotes& notes = opened.presentation.notes;
  if (opened.presentation.progressive && first.ok() && !notes.done.has(Step::kProgressive) &&
      soon_interlaced(*demuxer, *decoder)) {
    notes.done.add(Step::kProgressive);
    notes.warnings.emplace_back(kMadeWhole);
  }
  send_opened(task, opened);
  send_end(0);
  return {};
}

Status decode_video(const DecodeTask& task) {
  const DecodeLimits& limits = task.options.limits;
  ASSIGN_OR_RETURN(const auto demuxer, Demuxer::open(task.fd, task.file_bytes, task.format, limits));
  ASSIGN_OR_RETURN(auto decoder, Decoder::open(*demuxer, limits));
  ASSIGN_OR_RETURN(const AVFrame* const first, decoder.next());
  ASSIGN_OR_RETURN(const Opened opened, present(task, *demuxer, first));
  ASSIGN_OR_RETURN(auto frames, Deinterlacer::create(decoder, *first, opened.presentation.progressive));
  ASSIGN_OR_RETURN(auto converter, Converter::create(opened.presentation));
  send_opened(task, opened);
  const std::int64_t stride = stride_of(task.options, opened.video);
  for (std::int64_t index = 0;; ++index) {
    ASSIGN_OR_RETURN(const AVFrame* const frame, frames.next());
    if (frame == nullptr) break;
    if (index % stride != 0) continue;
    ASSIGN_OR_RETURN(const AVFrame* const whole, frames.whole());
    ASSIGN_OR_RETURN(const Image* const image, converter.convert(*whole));
    send_frame(*image, static_cast<std::uint64_t>(index));
  }
  send_end(static_cast<std::uint64_t>(decoder.decoded()));
  return {};
}

}  // namespace mimicfleet::av::child
