#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/reflection_pad2d.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include "worker/models/clip/vision_model.h"

namespace mimicfleet::clip {
namespace {

// Of red, green and blue in CLIP's training images. (Not const: from_blob wants it so.)
std::array<float, 3> kMean = {0.48145466F, 0.4578275F, 0.40821073F};
std::array<float, 3> kDeviation = {0.26862954F, 0.26130258F, 0.27577711F};

// Blurs away what shrinking by `factor` could not show. The width of the kernel is odd.
at::Tensor gaussian_kernel(double factor) {
  const double sigma = std::max((factor - 1) / 2, 0.001);
  const auto width = static_cast<std::int64_t>(std::max(4 * sigma, 3.0)) | 1;
  const at::Tensor x = at::arange(width, at::kFloat) - width / 2;
  const auto deviation = static_cast<float>(sigma);
  const at::Tensor bell = (-x.square() / (2 * deviation * deviation)).exp();
  return bell / bell.sum();  // [width]
}

// images: [N, 1, H, W], kernel: [1, 1, kh, kw]; the border is mirrored.
at::Tensor filter(const at::Tensor& images, const at::Tensor& kernel) {
  const std::int64_t y = kernel.size(2) / 2;
  const std::int64_t x = kernel.size(3) / 2;
  return at::conv2d(at::reflection_pad2d(images, {x, x, y, y}), kernel);
}

}  // namespace

at::Tensor preprocess(const at::Tensor& image_u8, std::int64_t size) {
  const double target = static_cast<double>(size);
  const at::Tensor x_kernel = gaussian_kernel(static_cast<double>(image_u8.size(2)) / target);
  const at::Tensor y_kernel = gaussian_kernel(static_cast<double>(image_u8.size(1)) / target);
  at::Tensor image = (image_u8.to(at::kFloat) / 255 * 2 - 1).unsqueeze(1);  // [3, 1, H, W]
  image = filter(image, x_kernel.view({1, 1, 1, -1}));
  image = filter(image, y_kernel.view({1, 1, -1, 1}));
  image = at::upsample_bicubic2d(image, {size, size}, /*align_corners=*/true);  // [3, 1, size, size]
  image = (image.squeeze(1) + 1) / 2;                                           // [3, size, size]
  const at::Tensor mean = at::from_blob(kMean.data(), {3, 1, 1}, at::kFloat);
  const at::Tensor deviation = at::from_blob(kDeviation.data(), {3, 1, 1}, at::kFloat);
  return ((image - mean) / deviation).unsqueeze(0);  // [1, 3, size, size]
}

}  // namespace mimicfleet::clip
