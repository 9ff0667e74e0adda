#pragma once

#include <string>
#include <vector>

#include "tests/worker/models/golden.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::pose {

// 0 is the reference image, 1 … the sampled frames of videos/a.mp4.
inline constexpr int kGoldenItems = 14;

// The pose that the original drew: tensors NAME.body, NAME.body_score, NAME.faces, …
inline DrawablePose golden_drawable(const Golden& golden, const std::string& name) {
  DrawablePose pose;
  const auto values = [&](const std::string& what) {
    const at::Tensor tensor = golden[name + "." + what].to(at::kDouble).contiguous();
    const auto* data = tensor.const_data_ptr<double>();
    return std::vector<double>(data, data + tensor.numel());
  };
  const auto points = [&](const std::string& what, auto& shapes) {
    const auto all = values(what);
    const std::size_t size = 2 * std::tuple_size_v<std::decay_t<decltype(shapes[0])>>;
    shapes.resize(all.size() / size);
    for (std::size_t i = 0; i < all.size() / 2; ++i) {
      shapes[2 * i / size][i % (size / 2)] = {all[2 * i], all[2 * i + 1]};
    }
  };
  const auto scores = [&](const std::string& what, auto& lists) {
    const auto all = values(what);
    const std::size_t size = std::tuple_size_v<std::decay_t<decltype(lists[0])>>;
    lists.resize(all.size() / size);
    for (std::size_t i = 0; i < all.size(); ++i) lists[i / size][i % size] = all[i];
  };
  points("body", pose.bodies);
  scores("body_score", pose.body_scores);
  points("faces", pose.faces);
  scores("faces_score", pose.face_scores);
  points("hands", pose.hands);
  scores("hands_score", pose.hand_scores);
  return pose;
}

// The keypoints that the original estimated in item `index`.
inline FramePose golden_frame_pose(const Golden& golden, int index, int height, int width) {
  const std::string name = "raw." + std::to_string(index) + ".";
  const at::Tensor points = golden[name + "keypoints133"].to(at::kDouble).contiguous();  // [n, 133, 2]
  const at::Tensor scores = golden[name + "scores133"].to(at::kDouble).contiguous();     // [n, 133]
  FramePose pose{height, width, {}};
  pose.persons.resize(static_cast<std::size_t>(points.size(0)));
  const auto* point = points.const_data_ptr<double>();
  const auto* score = scores.const_data_ptr<double>();
  for (PersonKeypoints& person : pose.persons) {
    for (std::size_t i = 0; i < kKeypoints; ++i, point += 2, ++score) {
      person.points[i] = {point[0], point[1]};
      person.scores[i] = *score;
    }
  }
  return pose;
}

// The largest distance between points of the two in any coordinate; infinite if they differ in number.
inline double largest_difference(const DrawablePose& a, const DrawablePose& b) {
  double largest = 0;
  const auto compare = [&](const auto& left, const auto& right) {
    if (left.size() != right.size()) largest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      for (std::size_t j = 0; j < left[i].size(); ++j) {
        largest = std::max(
            {largest, std::abs(left[i][j].x - right[i][j].x), std::abs(left[i][j].y - right[i][j].y)});
      }
    }
  };
  compare(a.bodies, b.bodies);
  compare(a.faces, b.faces);
  compare(a.hands, b.hands);
  return largest;
}

}  // namespace mimicfleet::pose
