#pragma once

#include <ATen/core/Tensor.h>

#include "common/status.h"

namespace mimicfleet::image {

struct Size {
  int height = 0;
  int width = 0;

  friend bool operator==(const Size&, const Size&) = default;
};

// The output's size for an image and a resolution (its short side): portrait images give width =
// resolution, height = int(resolution * 16 / 9 / 64) * 64; all others, squares too, the two
// swapped.
[[nodiscard]] Size output_size(Size image, int resolution);

// The reference image in the two forms that the original uses, uint8 [3, H, W].
struct ReferenceImage {
  at::Tensor resized;   // what the pose estimator sees
  at::Tensor prepared;  // what CLIP and the VAE see: after the original's trip through [-1, 1],
                        // which truncates
};

// Scales the image to cover `size` (bilinear, no antialiasing, rounded half to even) and crops the
// centre (inference_raw_batch_turbo.py: preprocess, run_pipeline). image: uint8 [3, h, w] on the
// CPU. kInvalidArgument if the size is not positive.
[[nodiscard]] Result<ReferenceImage> prepare_reference_image(const at::Tensor& image, Size size);

}  // namespace mimicfleet::image
