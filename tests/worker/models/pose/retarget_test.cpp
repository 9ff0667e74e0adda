#include "worker/models/pose/retarget.h"

#include <span>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/models/pose/golden_pose.h"

namespace mimicfleet::pose {
namespace {

using testing::HasSubstr;

// Sizes of the pack's reference image and driving frames.
constexpr int kReferenceHeight = 192;
constexpr int kReferenceWidth = 128;

class Retarget : public testing::Test {
 protected:
  void SetUp() override {
    const at::Tensor frame = read_pictures({"goldens/pose/frames/frame_000.png"});
    reference_ = golden_frame_pose(golden_, 0, kReferenceHeight, kReferenceWidth);
    for (int i = 1; i < kGoldenItems; ++i) {
      driving_.push_back(golden_frame_pose(golden_, i, static_cast<int>(frame.size(2)),
                                           static_cast<int>(frame.size(3))));
    }
  }

  void expect_poses(RetargetMode mode, const Golden& golden, const std::string& prefix) {
    const auto poses = retarget(reference_, driving_, mode);
    ASSERT_TRUE(poses.ok()) << poses.status();
    ASSERT_EQ(poses->size(), static_cast<std::size_t>(kGoldenItems));
    for (int i = 0; i < kGoldenItems; ++i)
      expect_golden_pose(golden, prefix + std::to_string(i), poses->at(i));
  }

  Golden golden_{"pose/pose"};
  FramePose reference_;
  std::vector<FramePose> driving_;
};

TEST_F(Retarget, KeypointsBecomeJointsWithANeck) {
  for (int i = 0; i < kGoldenItems; ++i) {
    expect_golden_pose(golden_, "dw." + std::to_string(i),
                       to_drawable(i == 0 ? reference_ : driving_[i - 1]));
  }
}

TEST_F(Retarget, GraftsArmsHandsAndFaceOntoTheReferenceAsTheSeed) {
  expect_poses(RetargetMode::kGraft, golden_, "drawn.");
}

TEST_F(Retarget, RescalesThePersonsAsUpstream) {
  const Golden upstream("pose/upstream");
  expect_poses(RetargetMode::kRescale, upstream, "upstream.");
}

TEST_F(Retarget, TheFitIsTheOriginals) {
  const auto poses = retarget(reference_, driving_, RetargetMode::kRescale);
  ASSERT_TRUE(poses.ok()) << poses.status();
  const Body before = to_drawable(driving_[0]).bodies.at(0);
  const Body& after = poses->at(1).bodies.at(0);
  constexpr std::size_t kNose = 0;
  constexpr std::size_t kHip = 8;
  const double scale = (after[kNose].y - after[kHip].y) / (before[kNose].y - before[kHip].y);
  const double shift = after[kNose].y - scale * before[kNose].y;
  EXPECT_TRUE(Golden("pose/upstream")
                  .is_near("upstream.polyfit", at::tensor({scale, shift}).view({1, 2}), 1e-6));
}

// So a clip that is cut needs no frames past its end. The fit's scale cancels but for one part in
// 1e6 of the shoulders' width that the original adds.
TEST_F(Retarget, AGraftIsTheSameWhicheverFramesTheFitSaw) {
  const auto of_all = retarget(reference_, driving_, RetargetMode::kGraft);
  const auto of_one = retarget(reference_, std::span(driving_).first(1), RetargetMode::kGraft);
  ASSERT_TRUE(of_all.ok() && of_one.ok());
  const DrawablePose& all = of_all->at(1);
  const DrawablePose& one = of_one->at(1);
  const auto expect_near = [](const auto& left, const auto& right) {
    ASSERT_EQ(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      EXPECT_NEAR(left[i].x, right[i].x, 1e-6);
      EXPECT_NEAR(left[i].y, right[i].y, 1e-6);
    }
  };
  expect_near(all.bodies.at(0), one.bodies.at(0));
  expect_near(all.faces.at(0), one.faces.at(0));
  expect_near(all.hands.at(0), one.hands.at(0));
  expect_near(all.hands.at(1), one.hands.at(1));
}

TEST_F(Retarget, OneDrivingFrameIsEnough) {
  driving_.resize(1);
  const auto poses = retarget(reference_, driving_, RetargetMode::kGraft);
  ASSERT_TRUE(poses.ok()) << poses.status();
  EXPECT_EQ(poses->size(), 2U);
}

TEST_F(Retarget, AVideoWithoutASinglePersonIsRefusedWithTheRemedy) {
  for (FramePose& frame : driving_) frame.persons.resize(2, frame.persons[0]);
  const Status status = retarget(reference_, driving_, RetargetMode::kGraft).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(),
              HasSubstr("no frame of the driving video shows exactly one person; use"));
}

TEST_F(Retarget, AReferenceWithoutJointsIsRefusedWithTheRemedy) {
  reference_.persons[0].scores.fill(0.1);
  const Status status = retarget(reference_, driving_, RetargetMode::kGraft).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("reference image; use"));
}

TEST_F(Retarget, AReferenceWithTwoPersonsKeepsBoth) {
  reference_.persons.push_back(reference_.persons[0]);
  const auto poses = retarget(reference_, driving_, RetargetMode::kGraft);
  ASSERT_TRUE(poses.ok()) << poses.status();
  EXPECT_EQ(poses->at(1).bodies.size(), 2U);
  EXPECT_EQ(poses->at(1).hands.size(), 4U);
  EXPECT_EQ(poses->at(1).hand_scores.size(), 2U);  // the video's, whose one person has two hands
}

}  // namespace
}  // namespace mimicfleet::pose
