#include "worker/stages/driving_frames.h"

#include <vector>

#include <gtest/gtest.h>

namespace mimicfleet::stages {
namespace {

std::vector<pose::FramePose> frames_with(const std::vector<int>& persons) {
  std::vector<pose::FramePose> frames;
  for (const int count : persons) {
    pose::FramePose frame{96, 64, {}};
    frame.persons.resize(static_cast<std::size_t>(count));
    frames.push_back(std::move(frame));
  }
  return frames;
}

TEST(DrivingFrames, AGraftNeedsAsManyAsTheClipHasAndARescaledPoseAll) {
  jobs::Parameters parameters;
  EXPECT_EQ(deciding_frames(parameters), 0U);
  parameters.max_pose_frames = 5;
  EXPECT_EQ(deciding_frames(parameters), 4U) << "the reference's own is one of the five";
  parameters.max_pose_frames = 1;
  EXPECT_EQ(deciding_frames(parameters), 1U);
  parameters.max_pose_frames = 5;
  parameters.retarget = jobs::Retarget::kRescale;
  EXPECT_EQ(deciding_frames(parameters), 0U);
}

TEST(DrivingFrames, TheFitGetsAFrameWithOnePersonIfThereIsOne) {
  EXPECT_EQ(length_for_fit(frames_with({1, 1, 1, 1}), 0), 4U);
  EXPECT_EQ(length_for_fit(frames_with({1, 1, 1, 1}), 2), 2U);
  EXPECT_EQ(length_for_fit(frames_with({1, 1}), 3), 2U);
  EXPECT_EQ(length_for_fit(frames_with({2, 2, 3, 1, 1}), 2), 4U);
  EXPECT_EQ(length_for_fit(frames_with({2, 1, 2, 2, 1}), 3), 3U);
  EXPECT_EQ(length_for_fit(frames_with({2, 2, 2}), 1), 3U);
}

TEST(DrivingFrames, KeyPointsOfTheFirstFramesAreCalledAfterTheirNumber) {
  const Digest all = sha256("all");
  EXPECT_NE(first_keypoints_feature(all, 4), all);
  EXPECT_NE(first_keypoints_feature(all, 4), first_keypoints_feature(all, 5));
  EXPECT_EQ(first_keypoints_feature(all, 4), first_keypoints_feature(all, 4));
  EXPECT_NE(first_keypoints_feature(all, 4), first_keypoints_feature(sha256("other"), 4));
}

}  // namespace
}  // namespace mimicfleet::stages
