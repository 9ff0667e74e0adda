#include "worker/models/image/reference_image.h"

#include <array>
#include <cmath>
#include <cstdint>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <c10/util/Exception.h>

namespace mimicfleet::image {
namespace {

constexpr double kAspectRatio = 9.0 / 16.0;
constexpr int kSizeStep = 64;

// The smallest size of the image's shape that covers `target`.
Size covering(Size image, Size target) {
  const double image_ratio = static_cast<double>(image.height) / image.width;
  if (image_ratio < static_cast<double>(target.height) / target.width) {
    return {target.height, static_cast<int>(std::ceil(target.height / image_ratio))};
  }
  return {static_cast<int>(std::ceil(target.width * image_ratio)), target.width};
}

// Python's round(): half to even, like nearbyint in the default rounding mode.
std::int64_t crop_start(int full, int part) {
  return static_cast<std::int64_t>(std::nearbyint((full - part) / 2.0));
}

// u8 -> x / 127.5 - 1 -> (x + 1) * 127.5, truncated, all in fp32: a third of the values drop by
// one.
at::Tensor truncating_round_trip(const at::Tensor& image) {
  std::array<std::uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value) {
    const float pixel = static_cast<float>(value) / 127.5F - 1.0F;
    table.at(value) = static_cast<std::uint8_t>((pixel + 1.0F) * 127.5F);
  }
  at::Tensor result = at::empty(image.sizes(), at::kByte);
  const auto* from = image.const_data_ptr<std::uint8_t>();
  auto* to = result.mutable_data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < image.numel(); ++i) to[i] = table[from[i]];
  return result;
}

// How the work is split among threads decides which pixels a vector holds, and so the last bit of
// some; one thread gives the same picture everywhere.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

at::Tensor cover_and_crop(const at::Tensor& image, Size size) {
  const OneThread one_thread;
  const Size full =
      covering({static_cast<int>(image.size(1)), static_cast<int>(image.size(2))}, size);
  const at::Tensor scaled =
      at::upsample_bilinear2d(image.unsqueeze(0).to(at::kFloat), {full.height, full.width},
                              /*align_corners=*/false);  // [1, 3, full.height, full.width]
  const std::int64_t top = crop_start(full.height, size.height);
  const std::int64_t left = crop_start(full.width, size.width);
  const at::Tensor cropped =
      scaled.squeeze(0).slice(1, top, top + size.height).slice(2, left, left + size.width);
  return cropped.round().to(at::kByte).contiguous();
}

}  // namespace

Size output_size(Size image, int resolution) {
  const int other = static_cast<int>(std::floor(resolution / kAspectRatio / kSizeStep)) * kSizeStep;
  return image.height > image.width ? Size{other, resolution} : Size{resolution, other};
}

Result<ReferenceImage> prepare_reference_image(const at::Tensor& image, Size size) {
  CHECK(image.dim() == 3 && image.size(0) == 3 && image.scalar_type() == at::kByte &&
        image.numel() > 0);
  if (size.height <= 0 || size.width <= 0) {
    return Status(StatusCode::kInvalidArgument, "the output size " + std::to_string(size.width) +
                                                    "x" + std::to_string(size.height) +
                                                    " is not positive; use a larger resolution");
  }
  try {
    const at::Tensor resized = cover_and_crop(image, size);
    return ReferenceImage{resized, truncating_round_trip(resized)};
  } catch (const c10::Error& error) {
    return Status(StatusCode::kInternal,
                  std::string("scaling the reference image: ") + error.what_without_backtrace());
  }
}

}  // namespace mimicfleet::image
