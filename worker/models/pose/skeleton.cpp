#include <algorithm>
#include <array>

#include "worker/models/pose/retarget.h"

namespace mimicfleet::pose {
namespace {

constexpr int kMadeNeck = -1;
constexpr int kCocoLeftShoulder = 5;
constexpr int kCocoRightShoulder = 6;
constexpr int kFirstFacePoint = 23;
constexpr int kFirstLeftHandPoint = 91;
constexpr int kFirstRightHandPoint = 112;
constexpr double kVisibleShoulder = 0.3;

// OpenPose's 18 joints as COCO-WholeBody keypoints.
constexpr std::array<int, kBodyJoints> kJoints = {0,  kMadeNeck, 6,  8,  10, 5, 7, 9, 12,
                                                  14, 16,        11, 13, 15, 2, 1, 4, 3};

template <std::size_t count>
std::array<Point, count> points_from(const PersonKeypoints& person, int first,
                                     const FramePose& frame) {
  std::array<Point, count> points;
  for (std::size_t i = 0; i < count; ++i) {
    const Point& point = person.points.at(static_cast<std::size_t>(first) + i);
    points[i] = {point.x / frame.width, point.y / frame.height};
  }
  return points;
}

template <std::size_t count>
std::array<double, count> scores_from(const PersonKeypoints& person, int first) {
  std::array<double, count> scores;
  std::copy_n(person.scores.begin() + first, count, scores.begin());
  return scores;
}

void add_body(const PersonKeypoints& person, const FramePose& frame, DrawablePose& pose) {
  Body body;
  BodyScores scores;
  for (std::size_t joint = 0; joint < kJoints.size(); ++joint) {
    if (kJoints[joint] == kMadeNeck) {
      const Point& left = person.points[kCocoLeftShoulder];
      const Point& right = person.points[kCocoRightShoulder];
      body[joint] = {(left.x + right.x) / 2 / frame.width, (left.y + right.y) / 2 / frame.height};
      const bool visible = person.scores[kCocoLeftShoulder] > kVisibleShoulder &&
                           person.scores[kCocoRightShoulder] > kVisibleShoulder;
      scores[joint] = visible ? 1 : 0;
    } else {
      const Point& point = person.points.at(kJoints[joint]);
      body[joint] = {point.x / frame.width, point.y / frame.height};
      scores[joint] = person.scores.at(kJoints[joint]);
    }
  }
  pose.bodies.push_back(body);
  pose.body_scores.push_back(scores);
}

}  // namespace

DrawablePose to_drawable(const FramePose& pose) {
  DrawablePose result;
  for (const PersonKeypoints& person : pose.persons) {
    add_body(person, pose, result);
    result.faces.push_back(points_from<kFacePoints>(person, kFirstFacePoint, pose));
    result.face_scores.push_back(scores_from<kFacePoints>(person, kFirstFacePoint));
  }
  for (const int first : {kFirstLeftHandPoint, kFirstRightHandPoint}) {
    for (const PersonKeypoints& person : pose.persons) {
      result.hands.push_back(points_from<kHandPoints>(person, first, pose));
      result.hand_scores.push_back(scores_from<kHandPoints>(person, first));
    }
  }
  return result;
}

}  // namespace mimicfleet::pose
