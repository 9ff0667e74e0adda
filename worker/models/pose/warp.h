#pragma once

#include <cstdint>

// How pictures get into the nets, pixel for pixel as the original does it with OpenCV.
namespace mimicfleet::pose {

// Interleaved RGB, row after row without gaps.
struct ImageView {
  const std::uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
};

// Scale from the picture to the detector's input.
[[nodiscard]] double letterbox_ratio(const ImageView& image, int height, int width);

// Fills out [height, width, 3]: the picture scaled by letterbox_ratio() into the upper left corner,
// grey around it (dwpose/onnxdet.py: preprocess).
void letterbox(const ImageView& image, int height, int width, std::uint8_t* out);

// In pixels of the frame.
struct Box {
  double x1 = 0;
  double y1 = 0;
  double x2 = 0;
  double y2 = 0;

  friend bool operator==(const Box&, const Box&) = default;
};

// The part of the frame that the estimator sees: the box, a quarter larger, widened to the input's
// aspect ratio.
struct Region {
  double center_x = 0;
  double center_y = 0;
  double width = 0;
  double height = 0;
};
[[nodiscard]] Region region_of(const Box& box, int input_height, int input_width);

// Fills out [height, width, 3] with the region, black outside of the frame (dwpose/onnxpose.py:
// top_down_affine).
void crop(const ImageView& image, const Region& region, int height, int width, std::uint8_t* out);

}  // namespace mimicfleet::pose
