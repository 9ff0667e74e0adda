#include "common/av/child/converter.h"

#include <algorithm>
#include <utility>

namespace mimicfleet::av::child {
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
  if (scaler_ && frame.width == source_width_ && frame.height == source_height_ &&
      frame.format == source_format_ && frame.colorspace == source_space_ &&
      frame.color_range == source_range_) {
    return {};
  }
  source_width_ = frame.width;
  source_height_ = frame.height;
  source_format_ = frame.format;
  source_space_ = frame.colorspace;
  source_range_ = frame.color_range;
  scaler_.reset(sws_getContext(frame.width, frame.height, static_cast<AVPixelFormat>(frame.format),
                               lying_->width, lying_->height, AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr,
                               nullptr));
  int* source_matrix = nullptr;
  int* target_matrix = nullptr;
  int source_full = 0;
  int target_full = 0;
  int brightness = 0;
  int contrast = 0;
  int saturation = 0;
  if (!scaler_) {
    return {StatusCode::kUnsupported,
            "has pixels of a format that cannot be converted; convert it with: "
            "ffmpeg -i FILE -pix_fmt yuv420p out.mp4"};
  }
  if (sws_getColorspaceDetails(scaler_.get(), &source_matrix, &source_full, &target_matrix, &target_full,
                               &brightness, &contrast, &saturation) < 0) {
    return {};  // not a YUV format
  }
  if (frame.color_range != AVCOL_RANGE_UNSPECIFIED) source_full = frame.color_range == AVCOL_RANGE_JPEG;
  const int* matrix = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(scaler_.get(), matrix, source_full, matrix, target_full, brightness, contrast,
                           saturation);
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
