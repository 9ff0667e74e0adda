#pragma once

#include <cstdint>

#include "common/av/child/decoder.h"
#include "common/av/child/libav.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// The frames of a decoder, one after the other; those that are interlaced can be had as a viewer
// shows them: the first of their two moments, its missing lines made of the other where nothing
// moves and of the lines above and below where something does.
class Deinterlacer {
 public:
  // `first`: what decoder.next() gave first. Not `enabled`: frames stay as they are.
  [[nodiscard]] static Result<Deinterlacer> create(Decoder& decoder, const AVFrame& first,
                                                   bool enabled);

  // The next frame as it was decoded, valid until the next call; null after the last.
  [[nodiscard]] Result<const AVFrame*> next();
  // The same frame, whole.
  [[nodiscard]] Result<const AVFrame*> whole();

  // Interlaced frames of this format can be made whole.
  [[nodiscard]] static bool can_do(int pixel_format);

 private:
  Deinterlacer(Decoder& decoder, bool enabled) : decoder_(decoder), enabled_(enabled) {}
  [[nodiscard]] Status read_ahead();
  [[nodiscard]] Status prepare_output();
  void fill_plane(int plane);

  Decoder& decoder_;
  bool enabled_;
  bool over_ = false;  // of the decoder's frames
  const AVFrame* first_ = nullptr;
  const AVFrame* current_ = nullptr;
  FramePtr before_, now_, after_;  // without data: there is none
  FramePtr whole_;
};

}  // namespace mimicfleet::av::child
