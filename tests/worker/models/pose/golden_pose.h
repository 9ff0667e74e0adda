#pragma once

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

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
  const at::Tensor points =
      golden[name + "keypoints133"].to(at::kDouble).contiguous();                     // [n, 133, 2]
  const at::Tensor scores = golden[name + "scores133"].to(at::kDouble).contiguous();  // [n, 133]
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

// The numbers of lists of points or scores in one row of float64, as the goldens have them.
template <typename Shapes>
at::Tensor values_of(const Shapes& shapes) {
  constexpr bool kIsPoints = std::is_same_v<typename Shapes::value_type::value_type, Point>;
  std::vector<double> values;
  for (const auto& shape : shapes) {
    for (const auto& item : shape) {
      if constexpr (kIsPoints) {
        values.insert(values.end(), {item.x, item.y});
      } else {
        values.push_back(item);
      }
    }
  }
  return at::tensor(values, at::kDouble);
}

// The original's `subset`: the joints' numbers, -1 for those that it holds for invisible.
inline at::Tensor subset_of(const DrawablePose& pose) {
  const at::Tensor scores = values_of(pose.body_scores);
  return at::where(scores > 0.3, at::arange(scores.numel(), at::kDouble), -1.0);
}

// A pose against the golden tensors NAME.body, NAME.body_score, NAME.faces, …
inline void expect_golden_pose(const Golden& golden, const std::string& name,
                               const DrawablePose& pose) {
  constexpr double kBound = 1e-6;  // the goldens are rounded to float
  const auto compare_points = [&](const std::string& what, const at::Tensor& actual) {
    const at::Tensor expected = golden[name + "." + what].to(at::kDouble).flatten();
    const double largest = actual.sizes() == expected.sizes()
                               ? (actual - expected).abs().max().item<double>()
                               : std::numeric_limits<double>::infinity();
    EXPECT_TRUE(
        golden.is_within(name + "." + what, "difference, of the frame's size", largest, kBound));
  };
  const auto compare_numbers = [&](const std::string& what, const at::Tensor& actual) {
    const auto different =
        different_numbers(actual, golden[name + "." + what].to(at::kDouble).flatten());
    EXPECT_TRUE(golden.is_within(name + "." + what, "numbers that differ",
                                 static_cast<double>(different), 0));
  };
  compare_points("body", values_of(pose.bodies));
  compare_points("faces", values_of(pose.faces));
  compare_points("hands", values_of(pose.hands));
  compare_numbers("body_score", values_of(pose.body_scores));
  compare_numbers("faces_score", values_of(pose.face_scores));
  compare_numbers("hands_score", values_of(pose.hand_scores));
  compare_numbers("subset", subset_of(pose));
}

}  // namespace mimicfleet::pose
