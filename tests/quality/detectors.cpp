#include "tests/quality/detectors.h"

#include <cstdint>
#include <span>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>

#include "common/av/image.h"
#include "common/av/video.h"
#include "common/model_root/model_root.h"
#include "worker/models/pose/detections.h"
#include "worker/models/pose/estimator.h"
#include "worker/onnx/session.h"

namespace mimicfleet::quality {
namespace {

Result<std::vector<av::Image>> read_all(const std::string& video) {
  if (video.ends_with(".png")) {
    ASSIGN_OR_RETURN(av::Image image, av::read_image(video));
    return std::vector<av::Image>{std::move(image)};
  }
  av::DecodeOptions options;
  options.stride_follows_fps = false;
  ASSIGN_OR_RETURN(av::VideoFrames frames, av::VideoFrames::open(video, options));
  std::vector<av::Image> images;
  for (;;) {
    ASSIGN_OR_RETURN(auto frame, frames.next());
    if (!frame) return images;
    images.push_back(std::move(frame->image));
  }
}

// uint8 [n, H, W, 3].
at::Tensor stacked(std::vector<av::Image>& images) {
  std::vector<at::Tensor> frames;
  for (auto& image : images) {
    frames.push_back(at::from_blob(image.pixels.data(), {image.height, image.width, 3}, at::kByte));
  }
  return at::stack(frames);
}

// The estimator keeps its boxes to itself, and shows a person even where the detector finds none.
Result<std::vector<pose::Box>> find_boxes(onnx::Session& detector, const av::Image& image) {
  const auto height = static_cast<int>(detector.inputs().at(0).dims.at(2));
  const auto width = static_cast<int>(detector.inputs().at(0).dims.at(3));
  const pose::ImageView view{image.pixels.data(), image.height, image.width};
  const at::Tensor picture = at::empty({1, height, width, 3}, at::kByte);
  pose::letterbox(view, height, width, picture.mutable_data_ptr<std::uint8_t>());
  ASSIGN_OR_RETURN(const auto outputs,
                   detector.run({picture.permute({0, 3, 1, 2}).to(at::kFloat)}));
  const at::Tensor values = outputs.at(0)[0].slice(1, 0, pose::kRowValues).contiguous();
  const std::span<const float> rows(values.const_data_ptr<float>(),
                                    static_cast<std::size_t>(values.numel()));
  return pose::find_persons(rows, height, width, pose::letterbox_ratio(view, height, width));
}

}  // namespace

Result<VideoReport> look_at(const std::string& models, const std::string& video) {
  ASSIGN_OR_RETURN(const auto files, model_root::find_below(models));
  ASSIGN_OR_RETURN(auto detector, onnx::Session::load(files.detector, at::kCPU));
  ASSIGN_OR_RETURN(auto estimator,
                   pose::PoseEstimator::load(files.detector, files.pose_estimator, at::kCPU));
  ASSIGN_OR_RETURN(auto images, read_all(video));
  ASSIGN_OR_RETURN(const auto poses, estimator.estimate(stacked(images)));
  VideoReport report{images.at(0).width, images[0].height, {}};
  for (std::size_t i = 0; i < images.size(); ++i) {
    ASSIGN_OR_RETURN(auto boxes, find_boxes(detector, images[i]));
    report.frames.push_back({std::move(boxes), poses.at(i).persons.at(0)});
  }
  return report;
}

}  // namespace mimicfleet::quality
