#include "coordinator/client/quality.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "common/av/video.h"
#include "common/check.h"

namespace mimicfleet::coordinator {
namespace {

constexpr int kWindow = 8;
constexpr int kStep = 4;
constexpr double kPeak = 255;

// BT.709, [height, width]
std::vector<double> luma(const av::Image& image) {
  std::vector<double> values(image.pixels.size() / 3);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto* rgb = &image.pixels[i * 3];
    values[i] = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
  }
  return values;
}

// Of the windows whose upper left corner is `at`.
double window_similarity(const double* a, const double* b, int width) {
  double sum_a = 0;
  double sum_b = 0;
  double squares = 0;
  double products = 0;
  for (int y = 0; y < kWindow; ++y) {
    for (int x = 0; x < kWindow; ++x) {
      const double va = a[y * width + x];
      const double vb = b[y * width + x];
      sum_a += va;
      sum_b += vb;
      squares += va * va + vb * vb;
      products += va * vb;
    }
  }
  constexpr double kCount = kWindow * kWindow;
  constexpr double kC1 = 0.01 * kPeak * 0.01 * kPeak;
  constexpr double kC2 = 0.03 * kPeak * 0.03 * kPeak;
  const double means = sum_a * sum_b / (kCount * kCount);
  const double square_means = (sum_a * sum_a + sum_b * sum_b) / (kCount * kCount);
  const double covariance = products / kCount - means;
  const double variances = squares / kCount - square_means;
  return (2 * means + kC1) * (2 * covariance + kC2) / ((square_means + kC1) * (variances + kC2));
}

Result<av::VideoFrames> open(const std::string& path) {
  av::DecodeOptions every_frame;
  every_frame.stride_follows_fps = false;
  return av::VideoFrames::open(path, every_frame);
}

Status differ(const std::string& video, const std::string& reference, const std::string& how) {
  return {StatusCode::kInvalidArgument,
          fmt::format("{} and {} {}; only settings that keep size and length can be compared",
                      video, reference, how)};
}

}  // namespace

double mean_squared_error(const av::Image& a, const av::Image& b) {
  CHECK(a.pixels.size() == b.pixels.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const double difference = static_cast<double>(a.pixels[i]) - b.pixels[i];
    sum += difference * difference;
  }
  return sum / static_cast<double>(a.pixels.size());
}

double structural_similarity(const av::Image& a, const av::Image& b) {
  CHECK(a.width == b.width && a.height == b.height && a.width >= kWindow && a.height >= kWindow);
  const auto luma_a = luma(a);
  const auto luma_b = luma(b);
  double sum = 0;
  std::int64_t windows = 0;
  for (int y = 0; y + kWindow <= a.height; y += kStep) {
    for (int x = 0; x + kWindow <= a.width; x += kStep) {
      const auto at = static_cast<std::size_t>(y) * static_cast<std::size_t>(a.width) +
                      static_cast<std::size_t>(x);
      sum += window_similarity(&luma_a[at], &luma_b[at], a.width);
      ++windows;
    }
  }
  return sum / static_cast<double>(windows);
}

Result<Quality> compare_videos(const std::string& video, const std::string& reference) {
  ASSIGN_OR_RETURN(auto frames, open(video));
  ASSIGN_OR_RETURN(auto expected, open(reference));
  if (frames.info().width != expected.info().width ||
      frames.info().height != expected.info().height) {
    return differ(video, reference, "have different sizes");
  }
  Quality quality;
  double squared_error = 0;
  for (;;) {
    ASSIGN_OR_RETURN(const auto frame, frames.next());
    ASSIGN_OR_RETURN(const auto other, expected.next());
    if (frame.has_value() != other.has_value())
      return differ(video, reference, "have different numbers of frames");
    if (!frame) break;
    squared_error += mean_squared_error(frame->image, other->image);
    quality.ssim += structural_similarity(frame->image, other->image);
    ++quality.frames;
  }
  const auto count = static_cast<double>(quality.frames);  // a video has frames
  quality.ssim /= count;
  squared_error /= count;
  quality.psnr_db = squared_error == 0
                        ? kPsnrOfEqual
                        : std::min(kPsnrOfEqual, 10 * std::log10(kPeak * kPeak / squared_error));
  return quality;
}

}  // namespace mimicfleet::coordinator
