#include "common/av/child/converter.h"

#include <utility>

#include "common/av/child/on_white.h"

namespace mimicfleet::av::child {
namespace {

// The matrix and range that the frame names; where it names none, those that the conversion
// assumes.
void set_colors(SwsContext& scaler, int space, int range) {
  int* matrix = nullptr;
  int source_full = 0;
  int target_full = 0;
  int brightness = 0;
  int contrast = 0;
  int saturation = 0;
  if (sws_getColorspaceDetails(&scaler, &matrix, &source_full, &matrix, &target_full, &brightness,
                               &contrast, &saturation) < 0) {
    return;  // not a YUV format
  }
  if (range != AVCOL_RANGE_UNSPECIFIED) source_full = range == AVCOL_RANGE_JPEG ? 1 : 0;
  const int* coefficients = sws_getCoefficients(space);
  sws_setColorspaceDetails(&scaler, coefficients, source_full, coefficients, target_full,
                           brightness, contrast, saturation);
}

FramePtr make_frame(AVPixelFormat format, int width, int height) {
  FramePtr frame(av_frame_alloc());
  if (!frame) return nullptr;
  frame->format = format;
  frame->width = width;
  frame->height = height;
  return av_frame_get_buffer(frame.get(), 0) < 0 ? nullptr : std::move(frame);
}

// RGBA into RGB.
void put_on_white(const AVFrame& rgba, AVFrame& rgb) {
  for (int y = 0; y < rgb.height; ++y) {
    const std::uint8_t* in = rgba.data[0] + std::ptrdiff_t{y} * rgba.linesize[0];
    std::uint8_t* out = rgb.data[0] + std::ptrdiff_t{y} * rgb.linesize[0];
    for (int x = 0; x < rgb.width; ++x, in += 4, out += 3) {
      for (int channel = 0; channel < 3; ++channel) out[channel] = on_white(in[channel], in[3]);
    }
  }
}

}  // namespace

Result<Converter> Converter::create(const Presentation& presentation) {
  Converter converter;
  converter.orientation_ = presentation.orientation;
  Image& upright = converter.upright_;
  upright.width = presentation.shown_width();
  upright.height = presentation.shown_height();
  upright.pixels.resize(Image::bytes(upright.width, upright.height));
  const bool maps_tones = presentation.transfer != Transfer::kNormal;
  if (maps_tones)
    converter.tones_.emplace(presentation.transfer, presentation.peak, presentation.wide_colors);
  converter.always_richer_ = maps_tones || presentation.on_white;
  const bool is_richer = converter.always_richer_ || presentation.later_on_white;
  converter.lying_ = make_frame(AV_PIX_FMT_RGB24, presentation.width, presentation.height);
  if (is_richer) {
    converter.richer_ = make_frame(maps_tones ? AV_PIX_FMT_RGB48 : AV_PIX_FMT_RGBA,
                                   presentation.width, presentation.height);
  }
  if (converter.lying_ && (converter.richer_ || !is_richer)) return converter;
  return Status(StatusCode::kResourceExhausted,
                "does not fit into the memory limit; scale it down");
}

Status Converter::prepare(const AVFrame& frame, const AVFrame& target) {
  const int space = as_number(frame.colorspace);
  const int range = as_number(frame.color_range);
  if (scaler_ && frame.width == source_width_ && frame.height == source_height_ &&
      frame.format == source_format_ && space == source_space_ && range == source_range_ &&
      target.format == target_format_) {
    return {};
  }
  source_width_ = frame.width;
  source_height_ = frame.height;
  source_format_ = frame.format;
  source_space_ = space;
  source_range_ = range;
  target_format_ = target.format;
  // Bilinear as decord's filter graph; FFmpeg's own default is bicubic. It matters where chroma is
  // interpolated.
  scaler_.reset(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                               target.width, target.height,
                               static_cast<AVPixelFormat>(target.format), SWS_BILINEAR, nullptr,
                               nullptr, nullptr));
  if (!scaler_) {
    return {StatusCode::kUnsupported,
            "has pixels of a format that cannot be converted; convert it with: "
            "ffmpeg -i FILE -pix_fmt yuv420p out.mp4"};
  }
  set_colors(*scaler_, space, range);
  return {};
}

Result<const Image*> Converter::convert(const AVFrame& frame) {
  const bool is_richer = richer_ && (always_richer_ || is_transparent(frame));
  const AVFrame& target = is_richer ? *richer_ : *lying_;
  RETURN_IF_ERROR(prepare(frame, target));
  const int rows = sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height,
                             target.data, target.linesize);
  if (rows != target.height) return Status(StatusCode::kInternal, "cannot be converted to RGB");
  if (tones_) {
    tones_->map(*richer_, *lying_);
  } else if (is_richer) {
    put_on_white(*richer_, *lying_);
  }
  turn(lying_->data[0], lying_->linesize[0], orientation_, upright_);
  return &upright_;
}

}  // namespace mimicfleet::av::child
