#include "worker/models/pose/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "common/mutex.h"
#include "worker/models/pose/for_each_frame.h"

namespace mimicfleet::pose {
namespace {

struct Edge {
  int from;
  int to;
};

// The original lists 19 limbs and draws 17.
constexpr std::array<Edge, 17> kLimbs = {{{1, 2},
                                          {1, 5},
                                          {2, 3},
                                          {3, 4},
                                          {5, 6},
                                          {6, 7},
                                          {1, 8},
                                          {8, 9},
                                          {9, 10},
                                          {1, 11},
                                          {11, 12},
                                          {12, 13},
                                          {1, 0},
                                          {0, 14},
                                          {14, 16},
                                          {0, 15},
                                          {15, 17}}};
constexpr std::array<std::array<int, 3>, kBodyJoints> kColors = {{{255, 0, 0},
                                                                  {255, 85, 0},
                                                                  {255, 170, 0},
                                                                  {255, 255, 0},
                                                                  {170, 255, 0},
                                                                  {85, 255, 0},
                                                                  {0, 255, 0},
                                                                  {0, 255, 85},
                                                                  {0, 255, 170},
                                                                  {0, 255, 255},
                                                                  {0, 170, 255},
                                                                  {0, 85, 255},
                                                                  {0, 0, 255},
                                                                  {85, 0, 255},
                                                                  {170, 0, 255},
                                                                  {255, 0, 255},
                                                                  {255, 0, 170},
                                                                  {255, 0, 85}}};
constexpr int kFingers = 5;
constexpr int kFingerEdges = 4;
constexpr int kHandEdges = kFingers * kFingerEdges;
constexpr double kDrawnFrom = 0.3;
constexpr int kStickWidth = 4;
constexpr int kJointRadius = 4;
constexpr int kFaceRadius = 3;
constexpr int kHandLineWidth = 2;
constexpr double kLimbBrightness = 0.6;
constexpr std::size_t kDrawnAtOnce = 16;
constexpr std::size_t kKeptBytes = 512 << 20;  // of canvases

// Python's int(): towards zero. Points that a bad fit throws far out of the picture stay where
// OpenCV can count.
int truncated(double value) {
  constexpr double kFar = 1 << 29;
  return std::isnan(value) ? 0 : static_cast<int>(std::clamp(value, -kFar, kFar));
}

// What is drawn on, and where something was.
struct Canvas {
  cv::Mat pixels;
  cv::Rect touched;
  cv::Mat small;  // the pixels scaled down

  [[nodiscard]] std::size_t bytes() const {
    return pixels.total() * pixels.elemSize() + small.total() * small.elemSize();
  }
  [[nodiscard]] cv::Point pixel(const Point& point) const {
    return {truncated(point.x * pixels.cols), truncated(point.y * pixels.rows)};
  }
  // Something around `area` is drawn, no further from it than `margin`.
  void touch(const cv::Rect& area, int margin) {
    const cv::Rect whole({}, pixels.size());
    touched |= cv::Rect(area.x - margin, area.y - margin, area.width + 2 * margin,
                        area.height + 2 * margin) &
               whole;
  }
  void circle(cv::Point center, int radius, const cv::Scalar& color) {
    cv::circle(pixels, center, radius, color, cv::FILLED);
    touch({center, cv::Size(1, 1)}, radius + 1);
  }
  void line(cv::Point from, cv::Point to, int width, const cv::Scalar& color) {
    cv::line(pixels, from, to, color, width);
    touch(cv::Rect(from, cv::Size(1, 1)) | cv::Rect(to, cv::Size(1, 1)), width + 1);
  }
};

cv::Scalar faded(const std::array<int, 3>& color, double factor) {
  return {static_cast<double>(truncated(color[0] * factor)),
          static_cast<double>(truncated(color[1] * factor)),
          static_cast<double>(truncated(color[2] * factor))};
}

// A limb is a thin ellipse between its joints.
std::vector<cv::Point> limb_outline(const Point& a, const Point& b, cv::Size canvas) {
  const double ax = a.x * canvas.width;
  const double ay = a.y * canvas.height;
  const double bx = b.x * canvas.width;
  const double by = b.y * canvas.height;
  const cv::Point center(truncated((ax + bx) / 2), truncated((ay + by) / 2));
  const double length = std::pow((ay - by) * (ay - by) + (ax - bx) * (ax - bx), 0.5);
  const double angle = std::atan2(ay - by, ax - bx) * (180.0 / std::numbers::pi);
  std::vector<cv::Point> outline;
  cv::ellipse2Poly(center, {truncated(length / 2), kStickWidth}, truncated(angle), 0, 360, 1,
                   outline);
  return outline;
}

// The original dims the canvas once all limbs are drawn: each value, at most 255, times
// kLimbBrightness, truncated. A limb covers those before it, so its colour may be dimmed instead.
cv::Scalar dimmed(const cv::Scalar& color) {
  cv::Scalar out;
  for (int i = 0; i < cv::Scalar::channels; ++i) {
    out[i] = truncated(std::clamp(color[i], 0.0, 255.0) * kLimbBrightness);
  }
  return out;
}

void draw_bodies(const DrawablePose& pose, Canvas& canvas) {
  for (std::size_t limb = 0; limb < kLimbs.size(); ++limb) {
    for (std::size_t i = 0; i < pose.bodies.size(); ++i) {
      const auto [from, to] = kLimbs[limb];
      const double from_score = pose.body_scores.at(i)[from];
      const double to_score = pose.body_scores[i][to];
      if (from_score < kDrawnFrom || to_score < kDrawnFrom) continue;
      const auto outline =
          limb_outline(pose.bodies[i][from], pose.bodies[i][to], canvas.pixels.size());
      cv::fillConvexPoly(canvas.pixels, outline,
                         dimmed(faded(kColors[limb], from_score * to_score)));
      canvas.touch(cv::boundingRect(outline), 0);
    }
  }
  for (std::size_t joint = 0; joint < kBodyJoints; ++joint) {
    for (std::size_t i = 0; i < pose.bodies.size(); ++i) {
      const double score = pose.body_scores[i][joint];
      if (!(score > kDrawnFrom)) continue;
      canvas.circle(canvas.pixel(pose.bodies[i][joint]), kJointRadius,
                    faded(kColors[joint], score));
    }
  }
}

// matplotlib's hsv_to_rgb for full saturation and value.
std::array<double, 3> rainbow(double hue) {
  const int sector = static_cast<int>(hue * 6);
  const double rest = hue * 6 - sector;
  const double falling = 1 - rest;
  const double rising = 1 - (1 - rest);
  switch (sector) {
    case 0:
      return {1, rising, 0};
    case 1:
      return {falling, 1, 0};
    case 2:
      return {0, 1, rising};
    case 3:
      return {0, falling, 1};
    case 4:
      return {rising, 0, 1};
    default:
      return {1, 0, falling};
  }
}

// Points on the first row or column, or before it, count as missing.
bool present(const cv::Point& point) { return point.x > 0 && point.y > 0; }

void draw_hand(const Hand& hand, const HandScores& scores, Canvas& canvas) {
  for (int edge = 0; edge < kHandEdges; ++edge) {
    const int to = edge + 1;
    const int from = edge % kFingerEdges == 0 ? 0 : edge;  // fingers start at the wrist
    const cv::Point a = canvas.pixel(hand[from]);
    const cv::Point b = canvas.pixel(hand[to]);
    if (!present(a) || !present(b)) continue;
    const auto color = rainbow(edge / static_cast<double>(kHandEdges));
    const int score = truncated(scores[from] * scores[to] * 255);
    canvas.line(a, b, kHandLineWidth, {color[0] * score, color[1] * score, color[2] * score});
  }
  for (std::size_t i = 0; i < hand.size(); ++i) {
    const cv::Point point = canvas.pixel(hand[i]);
    const auto score = static_cast<double>(truncated(scores[i] * 255));
    if (present(point)) canvas.circle(point, kJointRadius, {0, 0, score});
  }
}

void draw_face(const Face& face, const FaceScores& scores, Canvas& canvas) {
  for (std::size_t i = 0; i < face.size(); ++i) {
    const cv::Point point = canvas.pixel(face[i]);
    const auto score = static_cast<double>(truncated(scores[i] * 255));
    if (present(point)) canvas.circle(point, kFaceRadius, cv::Scalar::all(score));
  }
}

// Black canvases of one size (20 MB each), as many as threads draw at once, kept for the next clip:
// what is drawn on one is wiped off afterwards. Pages of new memory take longer than the drawing
// does.
class Canvases {
 public:
  [[nodiscard]] Canvas take(cv::Size size) {
    const MutexLock lock(mutex_);
    std::erase_if(free_, [size](const Canvas& canvas) { return canvas.pixels.size() != size; });
    if (free_.empty()) return {cv::Mat::zeros(size, CV_8UC3), {}, {}};
    Canvas canvas = std::move(free_.back());
    free_.pop_back();
    return canvas;
  }
  void give_back(Canvas canvas) {
    canvas.pixels(std::exchange(canvas.touched, {})).setTo(0);
    const MutexLock lock(mutex_);
    const std::size_t bytes = canvas.bytes();
    if ((free_.size() + 1) * bytes <= kKeptBytes) free_.push_back(std::move(canvas));
  }

 private:
  Mutex mutex_;
  std::vector<Canvas> free_ GUARDED_BY(mutex_);
};

cv::Size canvas_size(int height, int width, int short_side) {
  const int smaller = std::min(height, width);
  const double ratio = smaller == short_side ? 1 : static_cast<double>(short_side) / smaller;
  return {static_cast<int>(width * ratio), static_cast<int>(height * ratio)};
}

// Draws on a black canvas and scales it down without antialiasing, into planes with red and blue
// swapped: out [3, height, width].
void draw(const DrawablePose& pose, int height, int width, Canvas& canvas, std::uint8_t* out) {
  draw_bodies(pose, canvas);
  const std::size_t hands = std::min(pose.hands.size(), pose.hand_scores.size());
  for (std::size_t i = 0; i < hands; ++i) draw_hand(pose.hands[i], pose.hand_scores[i], canvas);
  const std::size_t faces = std::min(pose.faces.size(), pose.face_scores.size());
  for (std::size_t i = 0; i < faces; ++i) draw_face(pose.faces[i], pose.face_scores[i], canvas);
  cv::resize(canvas.pixels, canvas.small, {width, height}, 0, 0, cv::INTER_LINEAR);
  const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  std::vector<cv::Mat> planes;
  for (const std::size_t channel : {2, 1, 0})
    planes.emplace_back(height, width, CV_8U, out + channel * plane);
  cv::split(canvas.small, planes);
}

}  // namespace

Result<at::Tensor> draw_poses(std::span<const DrawablePose> poses, int height, int width,
                              int canvas_short_side) {
  CHECK(height > 0 && width > 0 && canvas_short_side > 0);
  const auto count = static_cast<std::int64_t>(poses.size());
  const at::Tensor pictures = at::empty({count, 3, height, width}, at::kByte);
  auto* pixels = pictures.mutable_data_ptr<std::uint8_t>();
  const std::size_t size =
      std::size_t{3} * static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  static Canvases canvases;
  const cv::Size size_of_canvas = canvas_size(height, width, canvas_short_side);
  const auto draw_one = [&](std::size_t i) {
    Canvas canvas = canvases.take(size_of_canvas);
    draw(poses[i], height, width, canvas, pixels + i * size);
    canvases.give_back(std::move(canvas));
    return Status();
  };
  RETURN_IF_ERROR(for_each_frame(poses.size(), draw_one, kDrawnAtOnce).prefixed("drawing poses"));
  return pictures;
}

}  // namespace mimicfleet::pose
