#include "common/av/child/presentation.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "common/av/child/deinterlacer.h"
#include "common/av/child/on_white.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

namespace mimicfleet::av::child {
namespace {

constexpr double kLeastAspect = 1.0 / 16;  // of a pixel that is believed
constexpr double kLargestAspect = 16;

class Presenting {
 public:
  Presenting(const Demuxer& demuxer, const AVFrame* first, Reading allowed, std::int64_t max_pixels)
      : demuxer_(demuxer), first_(first), allowed_(allowed), max_pixels_(max_pixels) {
    out_.width = stream().width;
    out_.height = stream().height;
  }

  Presentation run() {
    turn_upright();
    make_square();
    bring_tones();
    put_on_white();
    make_progressive();
    return std::move(out_);
  }

 private:
  [[nodiscard]] const AVCodecParameters& stream() const { return *demuxer_.stream().codecpar; }
  [[nodiscard]] int pixel_format() const {
    return first_ == nullptr ? stream().format : first_->format;
  }
  void warn(std::string text) { out_.notes.warnings.push_back(std::move(text)); }

  // Whether a step that the original lacks is to be done. `what`: the fault that it mends.
  bool may(Step step, const std::string& what) {
    if (allowed_.has(step)) {
      out_.notes.done.add(step);
      return true;
    }
    warn(what + ", which is left as it is, as the original does");
    return false;
  }

  // What the frames say comes before the container's word, as in ffmpeg.
  void turn_upright() {
    out_.orientation = demuxer_.orientation();
    const auto own = first_ == nullptr ? std::nullopt : orientation_in(*first_);
    if (own && *own != out_.orientation &&
        may(Step::kTurned, "its frames are stored turned or mirrored")) {
      out_.orientation = *own;
      return;
    }
    if (!out_.orientation.mirrored) return;
    if (!may(Step::kUpright, "it is stored mirrored")) out_.orientation.mirrored = false;
  }

  void make_square() {
    const AVRational aspect = demuxer_.pixel_aspect(first_);
    if (aspect.num <= 0 || aspect.den <= 0 || out_.width < 1 || out_.height < 1) return;
    const double ratio = av_q2d(aspect);
    const std::string name = std::to_string(aspect.num) + ':' + std::to_string(aspect.den);
    if (ratio < kLeastAspect || ratio > kLargestAspect) {
      warn("its pixels are said to be " + name +
           ", which is not believed: they are taken for square");
      return;
    }
    // Grown, so that nothing is lost, unless that is more than is allowed.
    const auto wide = std::lround(out_.width * std::max(ratio, 1.0));
    const auto high = std::lround(out_.height * std::max(1 / ratio, 1.0));
    const bool fits = wide <= max_pixels_ / high;
    const auto width = fits ? wide : std::max(std::lround(out_.width * std::min(ratio, 1.0)), 1L);
    const auto height =
        fits ? high : std::max(std::lround(out_.height * std::min(1 / ratio, 1.0)), 1L);
    if (width == out_.width && height == out_.height) return;
    if (!may(Step::kSquare, "its pixels are not square (" + name + ")")) return;
    out_.width = static_cast<int>(width);
    out_.height = static_cast<int>(height);
  }

  void bring_tones() {
    const Transfer transfer = transfer_of(stream(), first_);
    if (transfer == Transfer::kNormal) return;
    const std::string what = transfer == Transfer::kPq ? "it is HDR (PQ)" : "it is HDR (HLG)";
    if (!may(Step::kTones, what)) return;
    out_.transfer = transfer;
    out_.peak = first_ == nullptr ? 0 : peak_of(*first_);
    int primaries = first_ == nullptr ? AVCOL_PRI_UNSPECIFIED : as_number(first_->color_primaries);
    if (primaries == AVCOL_PRI_UNSPECIFIED) primaries = as_number(stream().color_primaries);
    out_.wide_colors = primaries == AVCOL_PRI_BT2020 || primaries == AVCOL_PRI_UNSPECIFIED;
    std::string told = what + ": its tones are brought to those of a normal screen";
    if (transfer == Transfer::kPq && !(out_.peak > 0)) {
      told += "; how bright it gets is not said, 1000 cd/m2 is assumed";
    }
    warn(told);
  }

  void put_on_white() {
    if (first_ != nullptr && is_transparent(*first_)) {
      show_transparent();
    } else if (demuxer_.has_alpha_beside() && (first_ == nullptr || !has_alpha(*first_))) {
      const std::string what = "it may have transparent parts (its alpha lies beside its frames)";
      if (allowed_.has(Step::kWhite)) {
        warn(what + ", which cannot be read here: the colours below them are shown");
      } else {
        warn(what + ": the colours below them are used, as the original does");
      }
    } else if (first_ != nullptr && has_alpha(*first_)) {
      out_.later_on_white = allowed_.has(Step::kWhite) && out_.transfer == Transfer::kNormal;
    }
  }

  void show_transparent() {
    if (out_.transfer != Transfer::kNormal) {
      warn("it has transparent parts: as it is HDR, the colours below them are shown");
      return;
    }
    out_.on_white = may(Step::kWhite, "it has transparent parts");
    if (out_.on_white) warn(kPutOnWhite);
  }

  void make_progressive() {
    const bool first_says = first_ != nullptr && first_->interlaced_frame != 0;
    const bool container_says =
        first_ == nullptr && as_number(stream().field_order) > AV_FIELD_PROGRESSIVE;
    out_.progressive = allowed_.has(Step::kProgressive) && Deinterlacer::can_do(pixel_format());
    if (!first_says && !container_says) return;
    if (!Deinterlacer::can_do(pixel_format())) {
      warn(
          "it is interlaced in a format whose frames cannot be made whole: convert it with ffmpeg "
          "-vf bwdif");
      return;
    }
    if (may(Step::kProgressive, "it is interlaced")) warn(kMadeWhole);
  }

  const Demuxer& demuxer_;
  const AVFrame* first_;
  Reading allowed_;
  std::int64_t max_pixels_;
  Presentation out_;
};

}  // namespace

std::optional<Orientation> orientation_in(const AVFrame& frame) {
  const AVFrameSideData* data = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (data == nullptr || data->size < kMatrixNumbers * sizeof(std::int32_t)) return std::nullopt;
  return orientation_of_matrix(reinterpret_cast<const std::int32_t*>(data->data));
}

bool has_alpha(const AVFrame& frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  return format != nullptr && (format->flags & AV_PIX_FMT_FLAG_ALPHA) != 0;
}

bool is_transparent(const AVFrame& frame) {
  if (!has_alpha(frame)) return false;
  const ScalerPtr scaler(sws_getContext(
      frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), frame.width,
      frame.height, AV_PIX_FMT_RGBA, SWS_POINT, nullptr, nullptr, nullptr));
  const FramePtr rgba(av_frame_alloc());
  if (!scaler || !rgba) return false;
  rgba->format = AV_PIX_FMT_RGBA;
  rgba->width = frame.width;
  rgba->height = frame.height;
  if (av_frame_get_buffer(rgba.get(), 0) < 0) return false;
  sws_scale(scaler.get(), frame.data, frame.linesize, 0, frame.height, rgba->data, rgba->linesize);
  for (int y = 0; y < rgba->height; ++y) {
    const std::uint8_t* row = rgba->data[0] + std::ptrdiff_t{y} * rgba->linesize[0];
    for (int x = 0; x < rgba->width; ++x) {
      if (row[4 * x + 3] != kOpaque) return true;
    }
  }
  return false;
}

Presentation presentation_of(const Demuxer& demuxer, const AVFrame* first, Reading allowed,
                             std::int64_t max_pixels) {
  return Presenting(demuxer, first, allowed, max_pixels).run();
}

}  // namespace mimicfleet::av::child
