#pragma once

#include <array>
#include <vector>

// Plain data: what the estimator finds in a frame, and what the drawing takes.
namespace mimicfleet::pose {

// x to the right, y down. The unit is said where a Point is used.
struct Point {
  double x = 0;
  double y = 0;

  friend bool operator==(const Point&, const Point&) = default;
};

// COCO-WholeBody: body 0-16, feet 17-22, face 23-90, left hand 91-111, right hand 112-132.
inline constexpr int kKeypoints = 133;

// One person as DW-Pose sees it, in pixels of the frame, unrounded.
struct PersonKeypoints {
  std::array<Point, kKeypoints> points;
  std::array<double, kKeypoints> scores{};

  friend bool operator==(const PersonKeypoints&, const PersonKeypoints&) = default;
};

// All persons of a frame, the detector's most confident first. A frame in which the detector finds
// nobody has one person, estimated on the whole frame: the original does so. This is what a feature
// cache stores.
struct FramePose {
  int height = 0;
  int width = 0;
  std::vector<PersonKeypoints> persons;
  bool nobody = false;  // is found by the detector: the one person is a guess

  friend bool operator==(const FramePose&, const FramePose&) = default;
};

inline constexpr int kBodyJoints =
    18;  // OpenPose's order: nose, neck, right arm, left arm, legs, eyes, ears
inline constexpr int kFacePoints = 68;
inline constexpr int kHandPoints = 21;

using Body = std::array<Point, kBodyJoints>;
using BodyScores = std::array<double, kBodyJoints>;
using Face = std::array<Point, kFacePoints>;
using FaceScores = std::array<double, kFacePoints>;
using Hand = std::array<Point, kHandPoints>;
using HandScores = std::array<double, kHandPoints>;

// What is drawn: x divided by the width, y by the height of the frame. Scores have their own lists,
// because a grafted pose takes bodies from one frame and scores from another: the drawing ends with
// the shorter list.
struct DrawablePose {
  std::vector<Body> bodies;
  std::vector<BodyScores> body_scores;  // as many as bodies
  std::vector<Face> faces;
  std::vector<FaceScores> face_scores;
  std::vector<Hand> hands;  // every person's left hand, then every person's right hand
  std::vector<HandScores> hand_scores;
};

}  // namespace mimicfleet::pose
