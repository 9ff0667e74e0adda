#include "common/av/child/orientation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

extern "C" {
#include <libavutil/display.h>
}

namespace mimicfleet::av::child {

// A point (p, q) is shown at (a p + c q, b p + d q), the matrix being a b u, c d v, x y w.
Orientation orientation_of_matrix(const std::int32_t* matrix) {
  const double counterclockwise = av_display_rotation_get(matrix);
  if (std::isnan(counterclockwise)) return {};
  const double a = matrix[0];
  const double b = matrix[1];
  const double c = matrix[3];
  const double d = matrix[4];
  return {.mirrored = a * d - b * c < 0,
          .rotation = (static_cast<int>(std::lround(-counterclockwise / 90)) % 4 + 4) % 4 * 90};
}

Orientation orientation_of_exif(int number) {
  constexpr std::array<Orientation, 8> kOrientations = {{{false, 0},
                                                         {true, 180},
                                                         {false, 180},
                                                         {true, 0},
                                                         {true, 90},
                                                         {false, 90},
                                                         {true, 270},
                                                         {false, 270}}};
  if (number < 1 || number > 8) return {};
  return kOrientations[static_cast<std::size_t>(number - 1)];
}

void turn(const std::uint8_t* rows, std::ptrdiff_t stride, Orientation orientation, Image& out) {
  const int width = orientation.swaps_sides() ? out.height : out.width;
  const int height = orientation.swaps_sides() ? out.width : out.height;
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* in =
        rows + static_cast<std::ptrdiff_t>(orientation.mirrored ? height - 1 - y : y) * stride;
    if (orientation.rotation == 0) {
      std::copy_n(in, 3 * width, out.pixels.data() + Image::bytes(width, y));
      continue;
    }
    for (int x = 0; x < width; ++x, in += 3) {
      const auto [column, row] = orientation.rotation == 90 ? std::pair(height - 1 - y, x)
                                 : orientation.rotation == 180
                                     ? std::pair(width - 1 - x, height - 1 - y)
                                     : std::pair(y, width - 1 - x);
      std::copy_n(in, 3, out.pixels.data() + Image::bytes(out.width, row) + 3 * column);
    }
  }
}

}  // namespace mimicfleet::av::child
