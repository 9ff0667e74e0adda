#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include <gmock/gmock.h>

#include "common/av/image.h"

namespace mimicfleet::av {

using Color = std::array<int, 3>;

inline Color color_at(const Image& image, int x, int y) {
  const std::uint8_t* at = image.pixels.data() + Image::bytes(image.width, y) + 3 * x;
  return {at[0], at[1], at[2]};
}

inline auto color_near(const Color& color, int tolerance) {
  return ::testing::Truly([color, tolerance](const Color& other) {
    for (std::size_t i = 0; i < 3; ++i) {
      if (std::abs(color[i] - other[i]) > tolerance) return false;
    }
    return true;
  });
}

// Peak signal to noise ratio in dB; -1 if the sizes differ.
inline double likeness(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height) return -1;
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i)
    sum += std::pow(double{1} * a.pixels[i] - b.pixels[i], 2);
  return 10 * std::log10(255.0 * 255 * static_cast<double>(a.pixels.size()) / std::max(sum, 1.0));
}

// By the nearest pixel.
inline Image stretched(const Image& in, int width, int height) {
  Image out{.width = width, .height = height, .pixels = {}};
  out.pixels.resize(Image::bytes(width, height));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const Color color = color_at(in, x * in.width / width, y * in.height / height);
      for (std::size_t i = 0; i < 3; ++i) {
        out.pixels[Image::bytes(width, y) + 3 * static_cast<std::size_t>(x) + i] =
            static_cast<std::uint8_t>(color[i]);
      }
    }
  }
  return out;
}

}  // namespace mimicfleet::av
