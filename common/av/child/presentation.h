#pragma once

#include <cstdint>
#include <optional>

#include "common/av/child/demuxer.h"
#include "common/av/child/libav.h"
#include "common/av/child/orientation.h"
#include "common/av/child/tone_mapper.h"
#include "common/av/reading.h"

namespace mimicfleet::av::child {

inline constexpr const char* kPutOnWhite = "it has transparent parts: they are put on white";
inline constexpr const char* kMadeWhole = "it is interlaced: each frame is made whole";

// What has to be done to the frames of a video before they are shown.
struct Presentation {
  Orientation orientation;
  int width = 0;  // before it is turned, with square pixels
  int height = 0;
  Transfer transfer = Transfer::kNormal;  // that is mapped to SDR
  double peak = 0;                        // of its tones, in cd/m2; 0: not known
  bool wide_colors = false;               // its primaries are BT.2020's
  bool on_white = false;
  bool later_on_white = false;  // the first frame is opaque; others that are not are put on white
  bool progressive = false;     // interlaced frames are made whole
  ReadingNotes notes;

  [[nodiscard]] int shown_width() const { return orientation.swaps_sides() ? height : width; }
  [[nodiscard]] int shown_height() const { return orientation.swaps_sides() ? width : height; }
};

// What the frame itself says (in the stream of the codec); nothing if it does not.
[[nodiscard]] std::optional<Orientation> orientation_in(const AVFrame& frame);

// Whether its format has alpha, and whether any of it is not opaque.
[[nodiscard]] bool has_alpha(const AVFrame& frame);
[[nodiscard]] bool is_transparent(const AVFrame& frame);

// By the container's word and that of the first frame (null: it did not decode). What the original
// does too, such as turning by a quarter, is always done, the rest as far as `allowed`.
[[nodiscard]] Presentation presentation_of(const Demuxer& demuxer, const AVFrame* first,
                                           Reading allowed, std::int64_t max_pixels);

}  // namespace mimicfleet::av::child
