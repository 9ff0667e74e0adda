#pragma once

#include <cstddef>
#include <cstdint>

#include "common/av/image.h"

namespace mimicfleet::av::child {

// How a picture is turned before it is shown: one of eight ways.
struct Orientation {
  bool mirrored = false;  // first its rows are put in the reverse order,
  int rotation = 0;       // then it is turned by so many degrees clockwise: 0, 90, 180, 270

  [[nodiscard]] bool swaps_sides() const { return rotation % 180 != 0; }
  friend bool operator==(const Orientation&, const Orientation&) = default;
};

inline constexpr std::size_t kMatrixNumbers = 9;

// Of a display matrix of FFmpeg's or MP4's: 9 numbers of 16.16 (2.30 in the last column). To the
// nearest quarter; a matrix that says nothing is none.
[[nodiscard]] Orientation orientation_of_matrix(const std::int32_t* matrix);

// Of the number that EXIF has for it; what is none of 1 to 8 is 1.
[[nodiscard]] Orientation orientation_of_exif(int number);

// Puts RGB rows, `stride` bytes apart, into `out`, which has the turned size already.
void turn(const std::uint8_t* rows, std::ptrdiff_t stride, Orientation orientation, Image& out);

}  // namespace mimicfleet::av::child
