#include <algorithm>
#include <cmath>
#include <string>

#include "common/media/child/converter.h"
#include "common/media/child/decoder.h"
#include "common/media/child/deinterlacer.h"
#include "common/media/child/demuxer.h"
#include "common/media/child/output.h"
#include "common/media/child/presentation.h"
#include "common/media/child/tasks.h"

namespace mimicfleet::media::child {
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
  return Status(StatusCode::kBadInput,
                "does not say how large its frames are; convert it with ffmpeg");
}

void send_opened(const DecodeTask& task, const Opened& opened) {
  send_info({.video = opened.video, .stride = stride_of(task.options, opened.video)});
  send_notes(opened.presentation.notes);
}

// Streams whose parser does not say that they are progressive may begin with a frame that is and go
// on without.
constexpr int kLooksForFields = 4;
// Videos with alpha are rare, and may well begin opaque.
constexpr int kLooksForAlpha = 64;

// What frames after the first need.
void look_further(const Demuxer& demuxer, Decoder& decoder, Presentation& shown) {
  ReadingNotes& notes = shown.notes;
  const auto need = [&notes](Step step, const char* what) {
    if (!notes.done.has(step)) notes.warnings.emplace_back(what);
    notes.done.add(step);
  };
  const bool says_progressive =
      as_number(demuxer.stream().codecpar->field_order) == AV_FIELD_PROGRESSIVE;
  const int looks_for_fields = shown.progressive && !says_progressive ? kLooksForFields : 1;
  const int looks_for_alpha = shown.later_on_white ? kLooksForAlpha : 1;
  for (int i = 1; i < std::max(looks_for_fields, looks_for_alpha); ++i) {
    const auto frame = decoder.next();
    if (!frame.ok() || *frame == nullptr) return;
    if (i < looks_for_fields && (*frame)->interlaced_frame != 0)
      need(Step::kProgressive, kMadeWhole);
    if (i < looks_for_alpha && is_transparent(**frame)) need(Step::kWhite, kPutOnWhite);
  }
  if (!shown.later_on_white || !demuxer.has_alpha_beside() || notes.done.has(Step::kWhite)) return;
  notes.warnings.push_back("it has alpha and is opaque in its first " +
                           std::to_string(kLooksForAlpha) +
                           " frames: later ones are taken for opaque, too");
}

// Notices what comes up after the first frame and is not mended, once each.
class LateFindings {
 public:
  LateFindings(const Demuxer& demuxer, const AVFrame& first, const Presentation& shown)
      : orientation_(orientation_in(first).value_or(demuxer.orientation())),
        told_turn_(false),
        told_fields_(shown.progressive || first.interlaced_frame != 0),
        told_alpha_(shown.on_white || shown.later_on_white || is_transparent(first)) {}

  // To be told before the frame is sent.
  [[nodiscard]] ReadingNotes look_at(const AVFrame& frame, std::int64_t index) {
    ReadingNotes notes;
    const auto find = [&](bool& told, const char* what) {
      told = true;
      notes.warnings.push_back("from frame " + std::to_string(index) + " on " + what);
    };
    if (!told_turn_ && orientation_in(frame).value_or(orientation_) != orientation_) {
      find(told_turn_,
           "its frames are stored turned otherwise than at its beginning: cut it there");
    }
    if (!told_fields_ && frame.interlaced_frame != 0) {
      find(told_fields_,
           "it is interlaced, which is left as it is: convert it with ffmpeg -vf bwdif");
    }
    if (!told_alpha_ && is_transparent(frame)) {
      find(told_alpha_, "it has transparent parts, of which the colours below are used");
    }
    return notes;
  }

 private:
  Orientation orientation_;
  bool told_turn_;
  bool told_fields_;
  bool told_alpha_;
};

}  // namespace

// The header of a file that does not decode is read, too; the decode reports the fault.
Status look_at_video(const DecodeTask& task) {
  const DecodeLimits& limits = task.options.limits;
  ASSIGN_OR_RETURN(const auto demuxer,
                   Demuxer::open(task.fd, task.file_bytes, task.format, limits));
  auto decoder = Decoder::open(*demuxer, limits, task.options.reading.has(Step::kWhite));
  const auto first = decoder.ok() ? decoder->next() : Result<const AVFrame*>(nullptr);
  ASSIGN_OR_RETURN(Opened opened, present(task, *demuxer, first.ok() ? *first : nullptr));
  if (first.ok() && *first != nullptr) look_further(*demuxer, *decoder, opened.presentation);
  send_opened(task, opened);
  send_end(0);
  return {};
}

Status decode_video(const DecodeTask& task) {
  const DecodeLimits& limits = task.options.limits;
  ASSIGN_OR_RETURN(const auto demuxer,
                   Demuxer::open(task.fd, task.file_bytes, task.format, limits));
  ASSIGN_OR_RETURN(auto decoder,
                   Decoder::open(*demuxer, limits, task.options.reading.has(Step::kWhite)));
  ASSIGN_OR_RETURN(const AVFrame* const first, decoder.next());
  ASSIGN_OR_RETURN(const Opened opened, present(task, *demuxer, first));
  LateFindings findings(*demuxer, *first, opened.presentation);
  ASSIGN_OR_RETURN(auto frames,
                   Deinterlacer::create(decoder, *first, opened.presentation.progressive));
  ASSIGN_OR_RETURN(auto converter, Converter::create(opened.presentation));
  send_opened(task, opened);
  const std::int64_t stride = stride_of(task.options, opened.video);
  for (std::int64_t index = 0;; ++index) {
    ASSIGN_OR_RETURN(const AVFrame* const frame, frames.next());
    if (frame == nullptr) break;
    if (index % stride != 0) continue;
    const ReadingNotes late = findings.look_at(*frame, index);
    if (!late.warnings.empty()) send_notes(late);
    ASSIGN_OR_RETURN(const AVFrame* const whole, frames.whole());
    ASSIGN_OR_RETURN(const Image* const image, converter.convert(*whole));
    send_frame(*image, static_cast<std::uint64_t>(index));
  }
  send_end(static_cast<std::uint64_t>(decoder.decoded()));
  return {};
}

}  // namespace mimicfleet::media::child
