#include "worker/models/pose/retarget.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace mimicfleet::pose {
namespace {

constexpr int kNeck = 1;
constexpr int kRightShoulder = 2;
constexpr int kRightElbow = 3;
constexpr int kRightWrist = 4;
constexpr int kLeftShoulder = 5;
constexpr int kLeftElbow = 6;
constexpr int kLeftWrist = 7;
constexpr std::array kHeadJoints = {0, 14, 15, 16, 17};

// Joints that tell where the body stands: without elbows, wrists and what hangs on them.
constexpr std::array kFittedJoints = {0, 1, 2, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
constexpr double kVisible = 0.3;

Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
Point operator*(Point a, double factor) { return {a.x * factor, a.y * factor}; }

double distance(Point a, Point b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
}

// Position in the reference = scale * position in the video + offset, for each coordinate.
struct Fit {
  Point scale;
  Point offset;

  [[nodiscard]] Point operator()(Point p) const {
    return {p.x * scale.x + offset.x, p.y * scale.y + offset.y};
  }
};

struct Line {
  double slope;
  double intercept;
};

// numpy's polyfit(x, y, 1). When all x are equal it gives the smallest solution in scaled
// coordinates.
Line regression(std::span<const double> x, std::span<const double> y) {
  const auto count = static_cast<double>(x.size());
  double mean_x = 0;
  double mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / count;
    mean_y += y[i] / count;
  }
  double covariance = 0;
  double variance = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    covariance += (x[i] - mean_x) * (y[i] - mean_y);
    variance += (x[i] - mean_x) * (x[i] - mean_x);
  }
  constexpr double kNothing = 1e-24;
  if (variance <= kNothing)
    return {mean_x == 0 ? 0 : mean_y / (2 * mean_x), mean_x == 0 ? mean_y : mean_y / 2};
  const double slope = covariance / variance;
  return {slope, mean_y - slope * mean_x};
}

// dwpose/preprocess.py: get_video_pose. The scale of x follows from that of y and the two aspect
// ratios.
Result<Fit> fit(const FramePose& reference, const DrawablePose& reference_pose,
                std::span<const FramePose> driving, std::span<const DrawablePose> poses) {
  std::vector<int> joints;
  for (const int joint : kFittedJoints) {
    if (reference_pose.body_scores.at(0)[joint] > kVisible) joints.push_back(joint);
  }
  if (joints.empty()) {
    return Status(StatusCode::kBadInput,
                  "no body joint is recognised in the reference image; use an image that shows the "
                  "person's head "
                  "and shoulders clearly");
  }
  std::array<std::vector<double>, 2> from;
  std::array<std::vector<double>, 2> to;
  for (const DrawablePose& pose : poses) {
    if (pose.bodies.size() != 1) continue;
    for (const int joint : joints) {
      from[0].push_back(pose.bodies[0][joint].x);
      from[1].push_back(pose.bodies[0][joint].y);
      to[0].push_back(reference_pose.bodies[0][joint].x);
      to[1].push_back(reference_pose.bodies[0][joint].y);
    }
  }
  if (from[0].empty()) {
    return Status(StatusCode::kBadInput,
                  "no frame of the driving video shows exactly one person; use a video in which "
                  "one person is alone "
                  "in at least one frame");
  }
  const Line y = regression(from[1], to[1]);
  const FramePose& frame = driving[0];
  const double frame_ratio = static_cast<double>(frame.height) / frame.width;
  Fit result;
  result.scale = {y.slope / (frame_ratio / reference.height * reference.width), y.slope};
  result.offset.y = y.intercept;
  for (std::size_t i = 0; i < from[0].size(); ++i) {
    result.offset.x +=
        (to[0][i] - from[0][i] * result.scale.x) / static_cast<double>(from[0].size());
  }
  return result;
}

void rescale(const Fit& fitted, DrawablePose& pose) {
  const auto move = [&](auto& shapes) {
    for (auto& points : shapes) {
      for (Point& point : points) point = fitted(point);
    }
  };
  move(pose.bodies);
  move(pose.faces);
  move(pose.hands);
}

// preprocess0.py: align_naive. Moves and stretches `points` so that their bounding box becomes that
// of `reference`.
void align(std::span<const Point> reference, std::span<Point> points) {
  struct Bounds {
    Point center;
    Point size;
  };
  const auto bounds_of = [](std::span<const Point> all) {
    const auto by_x = [](Point a, Point b) { return a.x < b.x; };
    const auto by_y = [](Point a, Point b) { return a.y < b.y; };
    const auto [left, right] = std::minmax_element(all.begin(), all.end(), by_x);
    const auto [top, bottom] = std::minmax_element(all.begin(), all.end(), by_y);
    constexpr double kSmallest = 1e-6;
    const auto extent = [](double low, double high) {
      return high - low < kSmallest ? kSmallest : high - low;
    };
    return Bounds{{(left->x + right->x) / 2, (top->y + bottom->y) / 2},
                  {extent(left->x, right->x), extent(top->y, bottom->y)}};
  };
  const Bounds to = bounds_of(reference);
  const Bounds from = bounds_of(points);
  for (Point& point : points) {
    point = {(point.x - from.center.x) * (to.size.x / from.size.x) + to.center.x,
             (point.y - from.center.y) * (to.size.y / from.size.y) + to.center.y};
  }
}

bool any_coordinate(const std::vector<Hand>& hands) {
  return std::any_of(hands.begin(), hands.end(), [](const Hand& hand) {
    return std::any_of(hand.begin(), hand.end(), [](Point p) { return p.x != 0 || p.y != 0; });
  });
}

template <typename Scores>
bool any_score(const std::vector<Scores>& all) {
  return std::any_of(all.begin(), all.end(), [](const Scores& scores) {
    return std::any_of(scores.begin(), scores.end(), [](double score) { return score != 0; });
  });
}

// One arm of the video on the reference's shoulder, scaled by the shoulders' widths; the hand
// follows its wrist.
void graft_arm(const Body& video, int shoulder, int elbow, int wrist, const Hand* video_hand,
               Body& body, Hand& hand) {
  constexpr double kTiny = 1e-6;
  const double scale =
      distance(body[shoulder], body[kNeck]) / (distance(video[shoulder], video[kNeck]) + kTiny);
  body[elbow] = body[shoulder] + (video[elbow] - video[shoulder]) * scale;
  body[wrist] = body[elbow] + (video[wrist] - video[elbow]) * scale;
  if (video_hand == nullptr) return;
  for (std::size_t i = 0; i < hand.size(); ++i) {
    hand[i] = body[wrist] + ((*video_hand)[i] - video[wrist]) * scale;
  }
}

// preprocess0.py: graft_pose_v5. Only first persons take part; hands[1] is taken for the right
// hand, which it is for a single person.
DrawablePose graft(const DrawablePose& reference, const DrawablePose& video) {
  DrawablePose result = reference;
  Body& body = result.bodies.at(0);
  const Body& driving = video.bodies.at(0);
  const bool hands = any_coordinate(video.hands);
  graft_arm(driving, kLeftShoulder, kLeftElbow, kLeftWrist, hands ? &video.hands.at(0) : nullptr,
            body, result.hands.at(0));
  graft_arm(driving, kRightShoulder, kRightElbow, kRightWrist, hands ? &video.hands.at(1) : nullptr,
            body, result.hands.at(1));
  if (any_score(video.hand_scores)) result.hand_scores = video.hand_scores;

  result.faces.at(0) = video.faces.at(0);
  align(reference.faces.at(0), result.faces.at(0));
  std::array<Point, kHeadJoints.size()> to;
  std::array<Point, kHeadJoints.size()> head;
  for (std::size_t i = 0; i < kHeadJoints.size(); ++i) {
    to[i] = reference.bodies[0][kHeadJoints[i]];
    head[i] = driving[kHeadJoints[i]];
  }
  align(to, head);
  for (std::size_t i = 0; i < kHeadJoints.size(); ++i) body[kHeadJoints[i]] = head[i];
  if (any_score(video.face_scores)) result.face_scores = video.face_scores;
  return result;
}

}  // namespace

Result<std::vector<DrawablePose>> retarget(const FramePose& reference,
                                           std::span<const FramePose> driving, RetargetMode mode) {
  CHECK(!reference.persons.empty() && !driving.empty());
  const DrawablePose reference_pose = to_drawable(reference);
  std::vector<DrawablePose> poses;
  for (const FramePose& frame : driving) {
    CHECK(!frame.persons.empty() && frame.width == driving[0].width &&
          frame.height == driving[0].height);
    poses.push_back(to_drawable(frame));
  }
  ASSIGN_OR_RETURN(const Fit fitted, fit(reference, reference_pose, driving, poses));
  std::vector<DrawablePose> result{reference_pose};
  for (DrawablePose& pose : poses) {
    rescale(fitted, pose);
    result.push_back(mode == RetargetMode::kGraft ? graft(reference_pose, pose) : std::move(pose));
  }
  return result;
}

}  // namespace mimicfleet::pose
