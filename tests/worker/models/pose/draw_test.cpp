#include "worker/models/pose/draw.h"

#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "tests/parity/figures.h"
#include "tests/worker/models/pose/golden_pose.h"

namespace mimicfleet::pose {
namespace {

const std::string kDifferent = "pixels that differ, of those that are not black";

// Part of the pixels that differ, of those that are not black in either picture.
double different_of_drawn(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor drawn = ((actual != 0) | (expected != 0)).any(0);
  const at::Tensor different = (actual != expected).any(0);
  EXPECT_GT(drawn.sum().item<std::int64_t>(), 100);
  return different.sum().item<double>() / drawn.sum().item<double>();
}

at::Tensor drawn(const DrawablePose& pose, std::int64_t height, std::int64_t width) {
  const auto pictures = draw_poses({&pose, 1}, static_cast<int>(height), static_cast<int>(width));
  EXPECT_TRUE(pictures.ok()) << pictures.status();
  return (*pictures)[0];
}

TEST(DrawPoses, OneAndTwoPersonsLookLikeTheOriginals) {
  const Golden golden("pose/draw_cases");
  for (int i = 0; i < 4; ++i) {
    const std::string name = "case" + std::to_string(i);
    const at::Tensor expected = golden[name + ".image"];
    const DrawablePose pose = golden_drawable(golden, name);
    const at::Tensor actual = drawn(pose, expected.size(1), expected.size(2));
    EXPECT_TRUE(
        golden.is_within(name + ".image", kDifferent, different_of_drawn(actual, expected), 0));
    EXPECT_TRUE(
        golden.is_equal(name + ".subset", subset_of(pose).view_as(golden[name + ".subset"])));
  }
}

void expect_pictures(const Golden& golden, const std::string& folder, const std::string& prefix) {
  for (int i = 0; i < kGoldenItems; ++i) {
    const std::string file =
        "goldens/pose/" + folder + "/pose_" + (i < 10 ? "00" : "0") + std::to_string(i) + ".png";
    const at::Tensor expected = read_pictures({file})[0];
    const at::Tensor actual = drawn(golden_drawable(golden, prefix + std::to_string(i)),
                                    expected.size(1), expected.size(2));
    EXPECT_TRUE(parity::within_bound(
        {"pack_a/" + file, "", kDifferent, different_of_drawn(actual, expected), 0}));
  }
}

TEST(DrawPoses, GraftedPosesLookLikeTheSeeds) {
  expect_pictures(Golden("pose/pose"), "seed", "drawn.");
}

TEST(DrawPoses, RescaledPosesLookLikeUpstreams) {
  expect_pictures(Golden("pose/upstream"), "upstream", "upstream.");
}

TEST(DrawPoses, NothingOfAPictureStaysInTheNextOne) {
  constexpr int kSize = 192;
  const Golden golden("pose/draw_cases");
  std::vector<DrawablePose> poses;
  for (int i = 0; i < 4; ++i) {
    poses.push_back(golden_drawable(golden, "case" + std::to_string(i)));
    poses.emplace_back();
  }
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto pictures = draw_poses(poses, kSize, kSize);
  at::set_num_threads(threads);
  ASSERT_TRUE(pictures.ok()) << pictures.status();
  for (std::size_t i = 0; i < poses.size(); i += 2) {
    const auto index = static_cast<std::int64_t>(i);
    EXPECT_TRUE((*pictures)[index].equal(drawn(poses[i], kSize, kSize))) << i;
    EXPECT_EQ((*pictures)[index + 1].count_nonzero().item<std::int64_t>(), 0) << i;
  }
}

TEST(DrawPoses, TheNumberOfThreadsChangesNothing) {
  const Golden golden("pose/draw_cases");
  const std::vector<DrawablePose> poses(5, golden_drawable(golden, "case1"));
  at::set_num_threads(1);
  const auto one = draw_poses(poses, 128, 192, 500);
  at::set_num_threads(3);
  const auto three = draw_poses(poses, 128, 192, 500);
  at::set_num_threads(1);
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_TRUE(one->equal(*three));
}

// As bytes hold 255 at most, and the original dims bytes.
TEST(DrawPoses, ALimbOfAHighScoreIsAsBrightAsOneThatIsSure) {
  constexpr int kSize = 200;
  DrawablePose pose;
  pose.bodies.resize(1);
  pose.body_scores.emplace_back().fill(0);
  pose.bodies[0][1] = {0.2, 0.5};
  pose.bodies[0][2] = {0.8, 0.5};
  for (const double score : {1.0, 2.0}) {
    pose.body_scores[0][1] = pose.body_scores[0][2] = score;
    const auto pictures = draw_poses({&pose, 1}, kSize, kSize, kSize);
    ASSERT_TRUE(pictures.ok()) << pictures.status();
    EXPECT_EQ((*pictures)[0].select(1, kSize / 2).select(1, kSize / 2).max().item<int>(), 153)
        << score;
  }
}

TEST(DrawPoses, PointsFarOutsideDrawNothing) {
  DrawablePose pose = golden_drawable(Golden("pose/draw_cases"), "case0");
  const auto move = [](auto& shapes) {
    for (auto& points : shapes) {
      for (Point& point : points) point = {1e30, -1e30};
    }
  };
  move(pose.bodies);
  move(pose.faces);
  move(pose.hands);
  EXPECT_EQ(drawn(pose, 64, 64).max().item<int>(), 0);
}

}  // namespace
}  // namespace mimicfleet::pose
