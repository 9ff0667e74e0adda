#include "common/av/child/converter.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mimicfleet::av::child {
namespace {

// FFmpeg passes on what stands in the file, also values that its enumerations do not have.
template <typename Enum>
int as_number(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int));
  int number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

// The matrix and range that the frame names; where it names none, those that the conversion assumes.
void set_colors(SwsContext& scaler, int space, int range) {
  int* matrix = nullptr;
  int source_full = 0;
  int target_full = 0;
  int brightness = 0;
  int contrast = 0;
  int saturation = 0;
  if (sws_getColorspaceDetails(&scaler, &matrix, &source_full, &matrix, &target_full, &brightness, &contrast,
                               &saturation) < 0) {
    return;  // not a YUV format
  }
  if (range != AVCOL_RANGE_UNSPECIFIED) source_full = range == AVCOL_RANGE_JPEG ? 1 : 0;
  const int* coefficients = sws_getCoefficients(space);
  sws_setColorspaceDetails(&scaler, coefficients, source_full, coefficients, target_full, brightness,
                           contrast, saturation);
}

}  // namespace

Result<Converter> Converter::create(const VideoInfo& info) {
  Converter converter;
  converter.rotation_ = info.rotation;
  converter.upright_.width = info.width;
  converter.upright_.height = info.height;
  converter.upright_.pixels.resize(Image::bytes(info.width, info.height));
  converter.lying_.reset(av_frame_alloc());
  if (converter.lying_) {
    AVFrame& lying = *converter.lying_;
    lying.format = AV_PIX_FMT_RGB24;
    lying.width = info.width;
    lying.height = info.height;
    if (info.rotation % 180 != 0) std::swap(lying.width, lying.height);
    if (av_frame_get_buffer(&lying, 0) >= 0) return converter;
  }
  return Status(StatusCode::kResourceExhausted, "does not fit into the memory limit; scale it down");
}

Status Converter::prepare(const AVFrame& frame) {
  const int space = as_number(frame.colorspace);
  const int range = as_number(frame.color_range);
  if (scaler_ && frame.width == source_width_ && frame.height == source_height_ &&
      frame.format == source_format_ && space == source_space_ && range == source_range_) {
    return {};
  }
  source_width_ = frame.width;
  source_height_ = frame.height;
  source_format_ = frame.format;
  source_space_ = space;
  source_range_ = range;
  // Bilinear as decord's filter graph; FFmpeg's own default is bicubic. It matters where chroma is
  // interpolated.
  scaler_.reset(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                               lying_->width, lying_->height, AV_PIX_FMT_RGB24, SWS_BILINEAR, nullptr,
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
  RETURN_IF_ERROR(prepare(frame));
  const int rows =
      sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, lying_->data, lying_->linesize);
  if (rows != lying_->height) return Status(StatusCode::kInternal, "cannot be converted to RGB");
  turn();
  return &upright_;
}

void Converter::turn() {
  const int width = lying_->width;
  const int height = lying_->height;
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* in = lying_->data[0] + static_cast<std::ptrdiff_t>(y) * lying_->linesize[0];
    if (rotation_ == 0) {
      std::copy_n(in, 3 * width, upright_.pixels.data() + Image::bytes(width, y));
      continue;
    }
    for (int x = 0; x < width; ++x, in += 3) {
      const auto [column, row] = rotation_ == 90    ? std::pair(height - 1 - y, x)
                                 : rotation_ == 180 ? std::pair(width - 1 - x, height - 1 - y)
                                                    : std::pair(y, width - 1 - x);
      std::copy_n(in, 3, upright_.pixels.data() + Image::bytes(upright_.width, row) + 3 * column);
    }
  }
}

}  // namespace mimicfleet::av::child
