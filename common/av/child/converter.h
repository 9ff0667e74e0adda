#pragma once

#include "common/av/child/libav.h"
#include "common/av/image.h"
#include "common/av/video.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// Turns decoded frames into upright RGB of one size, with FFmpeg's default conversion: the pixels that
// ffmpeg, OpenCV and decord deliver. A frame of another size than the first (a stream may change) is scaled
// to it.
class Converter {
 public:
  [[nodiscard]] static Result<Converter> create(const VideoInfo& info);

  // The image is valid until the next call.
  [[nodiscard]] Result<const Image*> convert(const AVFrame& frame);

 private:
  Converter() = default;
  [[nodiscard]] Status prepare(const AVFrame& frame);
  void turn();

  Image upright_;
  int rotation_;
  FramePtr lying_;  // RGB as coded; its rows are padded, as the fast paths of the conversion need it
  ScalerPtr scaler_;
  int source_width_ = 0;
  int source_height_ = 0;
  int source_format_ = -1;
  int source_space_ = -1;
  int source_range_ = -1;
};

}  // namespace mimicfleet::av::child
