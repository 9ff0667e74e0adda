#include "worker/models/pose/warp.h"

#include <algorithm>
#include <array>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace mimicfleet::pose {
namespace {

constexpr int kGrey = 114;
constexpr double kPadding = 1.25;

// OpenCV has no read-only matrices; nothing writes into this one.
cv::Mat as_matrix(const ImageView& image) {
  return {image.height, image.width, CV_8UC3, const_cast<std::uint8_t*>(image.pixels)};
}

// The point that b becomes when it is turned by 90 degrees around a.
cv::Point2f third_point(const cv::Point2f& a, const cv::Point2f& b) {
  const cv::Point2f direction = a - b;
  return {b.x - direction.y, b.y + direction.x};
}

std::array<cv::Point2f, 3> corners(double center_x, double center_y, double width) {
  const cv::Point2f center(static_cast<float>(center_x), static_cast<float>(center_y));
  const cv::Point2f above(static_cast<float>(center_x),
                          static_cast<float>(center_y + width * -0.5));
  return {center, above, third_point(center, above)};
}

}  // namespace

double letterbox_ratio(const ImageView& image, int height, int width) {
  return std::min(static_cast<double>(height) / image.height,
                  static_cast<double>(width) / image.width);
}

void letterbox(const ImageView& image, int height, int width, std::uint8_t* out) {
  const double ratio = letterbox_ratio(image, height, width);
  const cv::Size size(std::max(1, static_cast<int>(image.width * ratio)),
                      std::max(1, static_cast<int>(image.height * ratio)));
  cv::Mat canvas(height, width, CV_8UC3, out);
  canvas.setTo(cv::Scalar::all(kGrey));
  cv::Mat corner = canvas(cv::Rect(cv::Point(), size));
  cv::resize(as_matrix(image), corner, size, 0, 0, cv::INTER_LINEAR);
}

Region region_of(const Box& box, int input_height, int input_width) {
  const double aspect = static_cast<double>(input_width) / input_height;
  Region region{(box.x1 + box.x2) * 0.5, (box.y1 + box.y2) * 0.5, (box.x2 - box.x1) * kPadding,
                (box.y2 - box.y1) * kPadding};
  if (region.width > region.height * aspect) {
    region.height = region.width / aspect;
  } else {
    region.width = region.height * aspect;
  }
  return region;
}

void crop(const ImageView& image, const Region& region, int height, int width, std::uint8_t* out) {
  const auto from = corners(region.center_x, region.center_y, region.width);
  const auto to = corners(width * 0.5, height * 0.5, width);
  cv::Mat result(height, width, CV_8UC3, out);
  cv::warpAffine(as_matrix(image), result, cv::getAffineTransform(from.data(), to.data()),
                 result.size(), cv::INTER_LINEAR);
}

}  // namespace mimicfleet::pose
