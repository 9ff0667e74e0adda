#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
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

// Blurs away what shrinking by `factor` could not show. As many weights as the kernel is wide,
// which is odd.
std::vector<float> gaussian_kernel(double factor) {
  const double sigma = std::max((factor - 1) / 2, 0.001);
  const auto width = static_cast<std::int64_t>(std::max(4 * sigma, 3.0)) | 1;
  const at::Tensor x = at::arange(width, at::kFloat) - width / 2;
  const auto deviation = static_cast<float>(sigma);
  const at::Tensor bell = (-x.square() / (2 * deviation * deviation)).exp();
  const at::Tensor kernel = bell / bell.sum();
  const auto* weights = kernel.const_data_ptr<float>();
  return {weights, weights + width};
}

// Along `axis` of images [N, 1, H, W], whose border is mirrored. Weight by weight: LibTorch's
// convolutions are made for many channels, and on a GPU may round to TensorFloat-32.
at::Tensor filter(const at::Tensor& images, const std::vector<float>& kernel, std::int64_t axis) {
  const auto margin = static_cast<std::int64_t>(kernel.size() / 2);
  const at::Tensor wide = axis == 3 ? at::reflection_pad2d(images, {margin, margin, 0, 0})
                                    : at::reflection_pad2d(images, {0, 0, margin, margin});
  const auto shifted = [&](std::size_t by) {
    return wide.narrow(axis, static_cast<std::int64_t>(by), images.size(axis));
  };
  at::Tensor sum = shifted(0) * kernel[0];
  for (std::size_t i = 1; i < kernel.size(); ++i) sum.add_(shifted(i), kernel[i]);
  return sum;
}

}  // namespace

at::Tensor preprocess(const at::Tensor& image_u8, std::int64_t size) {
  const double target = static_cast<double>(size);
  at::Tensor image = (image_u8.to(at::kFloat) / 255 * 2 - 1).unsqueeze(1);  // [3, 1, H, W]
  for (const int axis : {3, 2})
    image = filter(image, gaussian_kernel(static_cast<double>(image.size(axis)) / target), axis);
  // [3, 1, size, size]
  image = at::upsample_bicubic2d(image, {size, size}, /*align_corners=*/true);
  image = (image.squeeze(1) + 1) / 2;  // [3, size, size]
  const at::Tensor mean = at::from_blob(kMean.data(), {3, 1, 1}, at::kFloat).to(image.device());
  const at::Tensor deviation =
      at::from_blob(kDeviation.data(), {3, 1, 1}, at::kFloat).to(image.device());
  return ((image - mean) / deviation).unsqueeze(0);  // [1, 3, size, size]
}

}  // namespace mimicfleet::clip
