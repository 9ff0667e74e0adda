#include "worker/models/pose/estimator.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/models/pose/golden_pose.h"
#include "worker/models/pose/warp.h"
#include "worker/onnx/session.h"

namespace mimicfleet::pose {
namespace {

using testing::HasSubstr;

const std::string kYolox = "models/DWPose/yolox_l.onnx";
const std::string kDwpose = "models/DWPose/dw-ll_ucoco_384.onnx";

class Estimator : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  static PoseEstimator load() {
    auto estimator = PoseEstimator::load(golden_path(kYolox), golden_path(kDwpose), at::kCPU);
    EXPECT_TRUE(estimator.ok()) << estimator.status();
    return std::move(estimator).value();
  }

  static at::Tensor frames() {
    std::vector<std::string> paths;
    for (int i = 0; i + 1 < kGoldenItems; ++i) {
      paths.push_back(golden_path("goldens/pose/frames/frame_0" + std::string(i < 10 ? "0" : "") +
                                  std::to_string(i) + ".png"));
    }
    return read_pictures(paths).permute({0, 2, 3, 1}).contiguous();
  }

  Golden golden_{"pose/pose"};
};

// How far the keypoints of all persons are from the golden ones.
struct Deviation {
  int points = 0;
  int beyond_a_tenth = 0;  // pixels of the frame
  double most_bins = 0;    // SimCC bins
  double largest_score = 0;
};

void add(Deviation& deviation, const FramePose& actual, const FramePose& expected, const at::Tensor& boxes) {
  ASSERT_EQ(actual.persons.size(), expected.persons.size());
  for (std::size_t i = 0; i < actual.persons.size(); ++i) {
    const bool whole = boxes.numel() == 0;
    const auto corner = [&](int c) { return boxes[static_cast<std::int64_t>(i)][c].item<double>(); };
    const Box box = whole ? Box{0, 0, static_cast<double>(actual.width), static_cast<double>(actual.height)}
                          : Box{corner(0), corner(1), corner(2), corner(3)};
    const double bin = region_of(box, 384, 288).width / (2 * 288);  // the same in y
    for (std::size_t k = 0; k < kKeypoints; ++k) {
      const Point a = actual.persons[i].points[k];
      const Point b = expected.persons[i].points[k];
      const double distance = std::max(std::abs(a.x - b.x), std::abs(a.y - b.y));
      ++deviation.points;
      if (distance > 0.1) ++deviation.beyond_a_tenth;
      deviation.most_bins = std::max(deviation.most_bins, distance / bin);
      deviation.largest_score = std::max(
          deviation.largest_score, std::abs(actual.persons[i].scores[k] - expected.persons[i].scores[k]));
    }
  }
}

TEST_F(Estimator, FindsTheOriginalsKeypointsInTheReferenceAndTheVideo) {
  PoseEstimator estimator = load();
  const auto reference = estimator.estimate(golden_["ref_resized_u8"].unsqueeze(0));
  ASSERT_TRUE(reference.ok()) << reference.status();
  const auto driving = estimator.estimate(frames());
  ASSERT_TRUE(driving.ok()) << driving.status();
  ASSERT_EQ(driving->size(), static_cast<std::size_t>(kGoldenItems - 1));
  Deviation deviation;
  for (int i = 0; i < kGoldenItems; ++i) {
    SCOPED_TRACE(i);
    const FramePose& actual = i == 0 ? reference->at(0) : driving->at(i - 1);
    add(deviation, actual, golden_frame_pose(golden_, i, actual.height, actual.width),
        golden_["raw." + std::to_string(i) + ".boxes"]);
  }
  EXPECT_GE(deviation.points, kKeypoints * kGoldenItems);
  EXPECT_LE(deviation.beyond_a_tenth, deviation.points / 100);
  EXPECT_LE(deviation.most_bins, 2.001);
  EXPECT_LE(deviation.largest_score, 1.3e-2);
  RecordProperty("beyond_a_tenth", deviation.beyond_a_tenth);
  RecordProperty("most_bins", std::to_string(deviation.most_bins));
  RecordProperty("largest_score", std::to_string(deviation.largest_score));
}

TEST_F(Estimator, SplittingAClipAtTheBatchSizeChangesNothing) {
  PoseEstimator estimator = load();
  const at::Tensor clip = frames().slice(0, 0, 2 * PoseEstimator::kFramesPerBatch - 1);
  const auto whole = estimator.estimate(clip);
  const auto first = estimator.estimate(clip.slice(0, 0, PoseEstimator::kFramesPerBatch));
  const auto second = estimator.estimate(clip.slice(0, PoseEstimator::kFramesPerBatch));
  ASSERT_TRUE(whole.ok() && first.ok() && second.ok());
  std::vector<FramePose> joined = *first;
  joined.insert(joined.end(), second->begin(), second->end());
  EXPECT_EQ(*whole, joined);
}

TEST_F(Estimator, TheDetectorsRawRowsAreTheOriginals) {
  const at::Tensor frame = frames()[0];
  const at::Tensor input = at::zeros({1, 640, 640, 3}, at::kByte);
  letterbox({frame.const_data_ptr<std::uint8_t>(), static_cast<int>(frame.size(0)),
             static_cast<int>(frame.size(1))},
            640, 640, input.mutable_data_ptr<std::uint8_t>());
  auto session = onnx::Session::load(golden_path(kYolox), at::kCPU);
  ASSERT_TRUE(session.ok()) << session.status();
  const auto outputs = session->run({input.permute({0, 3, 1, 2}).to(at::kFloat)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  const at::Tensor rows = outputs->at(0)[0];
  EXPECT_LT(
      relative_difference(rows.slice(0, 0, std::nullopt, 64), golden_["frame0.yolox_raw_every64th_row"]),
      1e-5);
  EXPECT_LT(relative_difference(rows.index_select(0, golden_["frame0.yolox_rows"]),
                                golden_["frame0.yolox_raw_rows"]),
            1e-5);
}

TEST_F(Estimator, APictureWithoutAnyoneHasOnePersonAsWideAsItself) {
  PoseEstimator estimator = load();
  const auto poses = estimator.estimate(at::zeros({1, 40, 60, 3}, at::kByte));
  ASSERT_TRUE(poses.ok()) << poses.status();
  EXPECT_EQ(poses->at(0).persons.size(), 1U);
  EXPECT_EQ(poses->at(0).width, 60);
}

TEST_F(Estimator, AMissingFileIsNamedWithWhereToGetIt) {
  const Status status = PoseEstimator::load("/nowhere/yolox_l.onnx", golden_path(kDwpose), at::kCPU).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/yolox_l.onnx"));
  EXPECT_THAT(status.message(), HasSubstr("huggingface.co/yzd-v/DWPose"));
}

TEST_F(Estimator, SwappedFilesAreNoticed) {
  const Status status = PoseEstimator::load(golden_path(kDwpose), golden_path(kYolox), at::kCPU).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("is another net than yolox_l.onnx"));
}

}  // namespace
}  // namespace mimicfleet::pose
