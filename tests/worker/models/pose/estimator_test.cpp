#include "worker/models/pose/estimator.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/models/pose/golden_pose.h"
#include "worker/models/pose/detections.h"
#include "worker/models/pose/warp.h"
#include "worker/onnx/session.h"

namespace mimicfleet::pose {
namespace {

using testing::HasSubstr;

const std::string kYolox = "models/DWPose/yolox_l.onnx";
const std::string kDwpose = "models/DWPose/dw-ll_ucoco_384.onnx";
constexpr int kDetectorSize = 640;
constexpr double kNetBound = 1e-5;
constexpr double kTwoBins = 2.001;  // the goldens are rounded to float

class Estimator : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  static PoseEstimator load() {
    auto estimator = PoseEstimator::load(golden_path(kYolox), golden_path(kDwpose), test_device());
    EXPECT_TRUE(estimator.ok()) << estimator.status();
    return std::move(estimator).value();
  }

  static at::Tensor frames() {
    std::vector<std::string> names;
    for (int i = 0; i + 1 < kGoldenItems; ++i) {
      names.push_back("goldens/pose/frames/frame_0" + std::string(i < 10 ? "0" : "") +
                      std::to_string(i) + ".png");
    }
    return read_pictures(names).permute({0, 2, 3, 1}).contiguous();
  }

  // The picture of a golden item, [H, W, 3].
  at::Tensor picture(int item) const {
    return (item == 0 ? golden_["ref_resized_u8"] : frames()[item - 1]).contiguous();
  }

  static onnx::Session session_of(const std::string& name) {
    auto session = onnx::Session::load(golden_path(name), at::kCPU);
    EXPECT_TRUE(session.ok()) << session.status();
    return std::move(session).value();
  }

  // YOLOX's raw rows of a picture.
  static at::Tensor raw_rows(onnx::Session& yolox, const at::Tensor& picture) {
    const at::Tensor input = at::zeros({1, kDetectorSize, kDetectorSize, 3}, at::kByte);
    letterbox(view_of(picture), kDetectorSize, kDetectorSize,
              input.mutable_data_ptr<std::uint8_t>());
    const auto outputs = yolox.run({input.permute({0, 3, 1, 2}).to(at::kFloat)});
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return outputs->at(0)[0];
  }

  static ImageView view_of(const at::Tensor& picture) {
    return {picture.const_data_ptr<std::uint8_t>(), static_cast<int>(picture.size(0)),
            static_cast<int>(picture.size(1))};
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

void add(Deviation& deviation, const FramePose& actual, const FramePose& expected,
         const at::Tensor& boxes) {
  ASSERT_EQ(actual.persons.size(), expected.persons.size());
  EXPECT_EQ(actual.nobody, boxes.numel() == 0);
  for (std::size_t i = 0; i < actual.persons.size(); ++i) {
    const bool whole = boxes.numel() == 0;
    const auto corner = [&](int c) {
      return boxes[static_cast<std::int64_t>(i)][c].item<double>();
    };
    const Box box =
        whole ? Box{0, 0, static_cast<double>(actual.width), static_cast<double>(actual.height)}
              : Box{corner(0), corner(1), corner(2), corner(3)};
    const double bin = region_of(box, 384, 288).width / (2 * 288);  // the same in y
    for (std::size_t k = 0; k < kKeypoints; ++k) {
      const Point a = actual.persons[i].points[k];
      const Point b = expected.persons[i].points[k];
      const double distance = std::max(std::abs(a.x - b.x), std::abs(a.y - b.y));
      ++deviation.points;
      if (distance > 0.1) ++deviation.beyond_a_tenth;
      deviation.most_bins = std::max(deviation.most_bins, distance / bin);
      deviation.largest_score =
          std::max(deviation.largest_score,
                   std::abs(actual.persons[i].scores[k] - expected.persons[i].scores[k]));
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
  const std::string points = "raw.*.keypoints133";
  EXPECT_TRUE(golden_.is_within(points, "part of the points that are off by more than 0.1 pixels",
                                static_cast<double>(deviation.beyond_a_tenth) / deviation.points,
                                0.01));
  EXPECT_TRUE(golden_.is_within(points, "distance, in SimCC bins", deviation.most_bins, kTwoBins));
  EXPECT_TRUE(golden_.is_within("raw.*.scores133", "difference", deviation.largest_score, 1.3e-2));
}

TEST_F(Estimator, SplittingAClipAtTheBatchSizeChangesNothing) {
  PoseEstimator estimator = load();
  const int batch =
      test_device().is_cpu() ? PoseEstimator::kFramesPerBatch : PoseEstimator::kFramesPerGpuBatch;
  const at::Tensor clip =
      frames().repeat({2 * batch / (kGoldenItems - 1) + 1, 1, 1, 1}).slice(0, 0, 2 * batch - 1);
  const auto whole = estimator.estimate(clip);
  const auto first = estimator.estimate(clip.slice(0, 0, batch));
  const auto second = estimator.estimate(clip.slice(0, batch));
  ASSERT_TRUE(whole.ok() && first.ok() && second.ok());
  std::vector<FramePose> joined = *first;
  joined.insert(joined.end(), second->begin(), second->end());
  EXPECT_EQ(*whole, joined);
}

TEST_F(Estimator, TheDetectorsRawRowsAreTheOriginals) {
  onnx::Session yolox = session_of(kYolox);
  for (const auto& [name, item] : {std::pair<std::string, int>("ref", 0), {"frame0", 1}}) {
    const at::Tensor rows = raw_rows(yolox, picture(item));
    EXPECT_TRUE(golden_.is_near(name + ".yolox_raw_every64th_row",
                                rows.slice(0, 0, std::nullopt, 64), kNetBound));
    EXPECT_TRUE(golden_.is_near(name + ".yolox_raw_rows",
                                rows.index_select(0, golden_[name + ".yolox_rows"]), kNetBound));
  }
}

TEST_F(Estimator, FindsTheOriginalsPersonsInEveryItem) {
  onnx::Session yolox = session_of(kYolox);
  const wire::Value facts = golden_json("pose/pose.json");
  const auto& people = *facts.find("people_per_item")->get_if<wire::Array>();
  for (int item = 0; item < kGoldenItems; ++item) {
    const at::Tensor image = picture(item);
    const at::Tensor rows = raw_rows(yolox, image).slice(1, 0, kRowValues).contiguous();
    const auto boxes = find_persons(
        {rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())}, kDetectorSize,
        kDetectorSize, letterbox_ratio(view_of(image), kDetectorSize, kDetectorSize));
    EXPECT_EQ(static_cast<std::int64_t>(boxes.size()),
              integer(people[static_cast<std::size_t>(item)]));
    std::vector<double> corners;
    for (const Box& box : boxes) corners.insert(corners.end(), {box.x1, box.y1, box.x2, box.y2});
    EXPECT_TRUE(golden_.is_near("raw." + std::to_string(item) + ".boxes",
                                at::tensor(corners, at::kDouble).view({-1, 4}), kNetBound));
  }
}

TEST_F(Estimator, TheSimccOfEveryKeypointIsTheOriginals) {
  onnx::Session dwpose = session_of(kDwpose);
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kDouble);
  const at::Tensor deviation = at::tensor({58.395, 57.12, 57.375}, at::kDouble);
  for (const auto& [name, item] : {std::pair<std::string, int>("ref", 0), {"frame0", 1}}) {
    const at::Tensor image = picture(item);
    const at::Tensor corners = golden_["raw." + std::to_string(item) + ".boxes"][0].to(at::kDouble);
    const auto* c = corners.const_data_ptr<double>();
    const at::Tensor cropped = at::empty({384, 288, 3}, at::kByte);
    crop(view_of(image), region_of({c[0], c[1], c[2], c[3]}, 384, 288), 384, 288,
         cropped.mutable_data_ptr<std::uint8_t>());
    const at::Tensor input =
        ((cropped.to(at::kDouble) - mean) / deviation).to(at::kFloat).permute({2, 0, 1});
    const auto simcc = dwpose.run({input.unsqueeze(0)});
    ASSERT_TRUE(simcc.ok()) << simcc.status();
    for (const auto& [axis, tensor] :
         {std::pair(0U, ".simcc_x_k7"), std::pair(1U, ".simcc_y_k7")}) {
      EXPECT_TRUE(golden_.is_near(name + tensor, simcc->at(axis)[0].slice(0, 0, std::nullopt, 7),
                                  kModuleBound));
    }
  }
}

TEST_F(Estimator, APictureWithoutAnyoneHasOnePersonAsWideAsItself) {
  PoseEstimator estimator = load();
  const auto poses = estimator.estimate(at::zeros({1, 40, 60, 3}, at::kByte));
  ASSERT_TRUE(poses.ok()) << poses.status();
  EXPECT_EQ(poses->at(0).persons.size(), 1U);
  EXPECT_EQ(poses->at(0).width, 60);
  EXPECT_TRUE(poses->at(0).nobody)
      << "what stands above the estimator has to know that it is a guess";
}

TEST_F(Estimator, AMissingFileIsNamedWithWhereToGetIt) {
  const Status status =
      PoseEstimator::load("/nowhere/yolox_l.onnx", golden_path(kDwpose), at::kCPU).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/yolox_l.onnx"));
  EXPECT_THAT(status.message(), HasSubstr("huggingface.co/yzd-v/DWPose"));
}

TEST_F(Estimator, SwappedFilesAreNoticed) {
  const Status status =
      PoseEstimator::load(golden_path(kDwpose), golden_path(kYolox), at::kCPU).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("is another net than yolox_l.onnx"));
}

}  // namespace
}  // namespace mimicfleet::pose
