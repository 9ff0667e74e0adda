#pragma once

#include <optional>

#include "common/av/child/libav.h"
#include "common/av/child/presentation.h"
#include "common/av/child/tone_mapper.h"
#include "common/av/image.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// Turns decoded frames into what is shown, in RGB of one size, with FFmpeg's default conversion:
// the pixels that ffmpeg, OpenCV and decord deliver, but for the steps of the presentation. A frame
// of another size than the first (a stream may change) is scaled to it.
class Converter {
 public:
  [[nodiscard]] static Result<Converter> create(const Presentation& presentation);

  // The image is valid until the next call.
  [[nodiscard]] Result<const Image*> convert(const AVFrame& frame);

 private:
  Converter() = default;
  [[nodiscard]] Status prepare(const AVFrame& frame, const AVFrame& target);

  Image upright_;
  Orientation orientation_;
  FramePtr lying_;   // RGB before it is turned; its rows are padded, as the fast paths of the
                     // conversion need it
  FramePtr richer_;  // RGBA or RGB48, if `lying_` is made of that
  std::optional<ToneMapper> tones_;
  ScalerPtr scaler_;
  int source_width_ = 0;
  int source_height_ = 0;
  int source_format_ = -1;
  int source_space_ = -1;
  int source_range_ = -1;
  int target_format_ = -1;
  bool always_richer_ = false;  // else for frames that are transparent
};

}  // namespace mimicfleet::av::child
