#include "worker/models/pose/estimator.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include "worker/models/pose/detections.h"
#include "worker/models/pose/for_each_frame.h"
#include "worker/models/pose/warp.h"
#include "worker/onnx/session.h"

namespace mimicfleet::pose {
namespace {

constexpr int kChannels = 3;
constexpr double kSimccSplit = 2.0;  // SimCC bins a pixel
constexpr std::string_view kSource = "models/DWPose of the model folder, from huggingface.co/yzd-v/DWPose";

// A net with one picture as input.
struct Net {
  onnx::Session session;
  std::string file;
  int height;
  int width;
  at::Tensor pictures{};  // of the last batch, whose memory the next one takes
};

Result<Net> load_net(const std::string& path, std::size_t outputs, at::Device device, std::string_view name) {
  auto session = onnx::Session::load(path, device);
  if (!session.ok()) {
    const Status status = session.status();
    return Status(status.code(), status.message() + "; expected is " + std::string(name) + " (" +
                                     std::string(kSource) + ")");
  }
  const auto& inputs = session->inputs();
  const bool fits = inputs.size() == 1 && inputs[0].type == onnx::DataType::kFloat &&
                    inputs[0].dims.size() == 4 && inputs[0].dims[1] == kChannels && inputs[0].dims[2] >= 32 &&
                    inputs[0].dims[2] <= 4096 && inputs[0].dims[3] >= 32 && inputs[0].dims[3] <= 4096 &&
                    session->output_count() == outputs;
  if (!fits) {
    return Status(StatusCode::kBadInput,
                  path + ": is another net than " + std::string(name) + " (" + std::string(kSource) + ")");
  }
  const auto height = static_cast<int>(inputs[0].dims[2]);
  const auto width = static_cast<int>(inputs[0].dims[3]);
  return Net{std::move(session).value(), path, height, width};
}

Status wrong_output(const Net& net, std::string_view expected) {
  return {StatusCode::kBadInput, net.file + ": its output is not " + std::string(expected) +
                                     "; use the file of that name (" + std::string(kSource) + ")"};
}

ImageView view_of(const at::Tensor& frames, std::int64_t index) {
  const at::Tensor frame = frames[index];
  return {frame.const_data_ptr<std::uint8_t>(), static_cast<int>(frame.size(0)),
          static_cast<int>(frame.size(1))};
}

// [count, h, w, 3] to be filled.
at::Tensor pictures_for(std::size_t count, Net& net) {
  const auto wanted = static_cast<std::int64_t>(count);
  if (!net.pictures.defined() || net.pictures.size(0) < wanted) {
    net.pictures = at::empty({wanted, net.height, net.width, kChannels}, at::kByte);
  }
  return net.pictures.slice(0, 0, wanted);
}

// A person's place in a batch of frames.
struct Candidate {
  std::int64_t frame;
  Region region;
};

// dwpose/onnxdet.py: inference_detector, for several frames.
Result<std::vector<std::vector<Box>>> detect(Net& yolox, const at::Tensor& frames, at::Device device) {
  const auto count = static_cast<std::size_t>(frames.size(0));
  const at::Tensor pictures = pictures_for(count, yolox);  // [n, S, S, 3]
  RETURN_IF_ERROR(for_each_frame(count, [&](std::size_t i) {
    const auto index = static_cast<std::int64_t>(i);
    letterbox(view_of(frames, index), yolox.height, yolox.width,
              pictures[index].mutable_data_ptr<std::uint8_t>());
    return Status();
  }));
  const at::Tensor input = pictures.to(device).permute({0, 3, 1, 2}).to(at::kFloat);  // [n, 3, S, S], 0-255
  ASSIGN_OR_RETURN(const auto outputs, yolox.session.run_batch({input}));
  const at::Tensor& output = outputs[0];  // [n, rows, 5 + classes]
  const int rows = yolox_rows(yolox.height, yolox.width);
  if (output.dim() != 3 || output.size(1) != rows || output.size(2) < kRowValues) {
    return wrong_output(yolox, "YOLOX's raw boxes");
  }
  const at::Tensor values = output.slice(2, 0, kRowValues).to(at::kCPU).contiguous();
  std::vector<std::vector<Box>> boxes;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    const std::span<const float> row_values(values[i].const_data_ptr<float>(),
                                            static_cast<std::size_t>(rows) * kRowValues);
    const double ratio = letterbox_ratio(view_of(frames, i), yolox.height, yolox.width);
    boxes.push_back(find_persons(row_values, yolox.height, yolox.width, ratio));
  }
  return boxes;
}

// ImageNet's mean and deviation, in double as numpy does it, then float.
at::Tensor normalised(const at::Tensor& pictures) {
  const auto options = pictures.options().dtype(at::kDouble);
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, options);
  const at::Tensor deviation = at::tensor({58.395, 57.12, 57.375}, options);
  return ((pictures.to(at::kDouble) - mean) / deviation).to(at::kFloat).permute({0, 3, 1, 2});
}

// The highest bin of each keypoint and axis: [n, 133, 4] double on the CPU: x, y, value in x, value in y.
Result<at::Tensor> highest_bins(Net& dwpose, const at::Tensor& pictures, at::Device device) {
  ASSIGN_OR_RETURN(const auto outputs, dwpose.session.run_batch({normalised(pictures.to(device))}));
  std::array<at::Tensor, 2> bins;
  std::array<at::Tensor, 2> values;
  for (const std::size_t axis : {0, 1}) {  // SimCC in x [n, 133, 2 W], in y [n, 133, 2 H]
    const at::Tensor& simcc = outputs[axis];
    const auto length = static_cast<std::int64_t>((axis == 0 ? dwpose.width : dwpose.height) * kSimccSplit);
    if (simcc.dim() != 3 || simcc.size(1) != kKeypoints || simcc.size(2) != length) {
      return wrong_output(dwpose, "DW-Pose's SimCC for 133 keypoints");
    }
    std::tie(values[axis], bins[axis]) = at::max(simcc, 2);
  }
  return at::stack({bins[0].to(at::kDouble), bins[1].to(at::kDouble), values[0].to(at::kDouble),
                    values[1].to(at::kDouble)},
                   2)
      .to(at::kCPU)
      .contiguous();
}

// dwpose/onnxpose.py: get_simcc_maximum, decode, postprocess.
PersonKeypoints keypoints_from(const double* bins, const Region& region, const Net& dwpose) {
  PersonKeypoints person;
  for (std::size_t i = 0; i < kKeypoints; ++i, bins += 4) {
    const double score = bins[2] > bins[3] ? bins[3] : bins[2];
    const bool found = !(score <= 0);
    const double x = (found ? bins[0] : -1) / kSimccSplit;
    const double y = (found ? bins[1] : -1) / kSimccSplit;
    person.points[i] = {x / dwpose.width * region.width + region.center_x - region.width / 2,
                        y / dwpose.height * region.height + region.center_y - region.height / 2};
    person.scores[i] = score;
  }
  return person;
}

}  // namespace

struct PoseEstimator::Nets {
  Net yolox;
  Net dwpose;
  at::Device device;

  [[nodiscard]] int batch() const {
    return device.is_cpu() ? PoseEstimator::kFramesPerBatch : PoseEstimator::kFramesPerGpuBatch;
  }
  Status estimate(const at::Tensor& frames, std::vector<FramePose>& poses);
  Status estimate_persons(const at::Tensor& frames, std::span<const Candidate> candidates,
                          std::span<FramePose> poses);
};

Status PoseEstimator::Nets::estimate_persons(const at::Tensor& frames, std::span<const Candidate> candidates,
                                             std::span<FramePose> poses) {
  const at::Tensor pictures = pictures_for(candidates.size(), dwpose);
  RETURN_IF_ERROR(for_each_frame(candidates.size(), [&](std::size_t i) {
    crop(view_of(frames, candidates[i].frame), candidates[i].region, dwpose.height, dwpose.width,
         pictures[static_cast<std::int64_t>(i)].mutable_data_ptr<std::uint8_t>());
    return Status();
  }));
  ASSIGN_OR_RETURN(const at::Tensor bins, highest_bins(dwpose, pictures, device));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto* values = bins[static_cast<std::int64_t>(i)].const_data_ptr<double>();
    poses[static_cast<std::size_t>(candidates[i].frame)].persons.push_back(
        keypoints_from(values, candidates[i].region, dwpose));
  }
  return {};
}

Status PoseEstimator::Nets::estimate(const at::Tensor& frames, std::vector<FramePose>& poses) {
  const auto height = static_cast<int>(frames.size(1));
  const auto width = static_cast<int>(frames.size(2));
  ASSIGN_OR_RETURN(const auto boxes, detect(yolox, frames, device));
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const std::vector<Box> whole_frame = {{0, 0, static_cast<double>(width), static_cast<double>(height)}};
    for (const Box& box : boxes[i].empty() ? whole_frame : boxes[i]) {
      candidates.push_back({static_cast<std::int64_t>(i), region_of(box, dwpose.height, dwpose.width)});
    }
  }
  std::vector<FramePose> found(boxes.size(), FramePose{height, width, {}});
  const std::span<const Candidate> all(candidates);
  const auto most = static_cast<std::size_t>(batch());
  for (std::size_t first = 0; first < all.size(); first += most) {
    const std::size_t count = std::min(most, all.size() - first);
    RETURN_IF_ERROR(estimate_persons(frames, all.subspan(first, count), found));
  }
  std::move(found.begin(), found.end(), std::back_inserter(poses));
  return {};
}

PoseEstimator::PoseEstimator(std::unique_ptr<Nets> nets) : nets_(std::move(nets)) {}
PoseEstimator::PoseEstimator(PoseEstimator&&) noexcept = default;
PoseEstimator& PoseEstimator::operator=(PoseEstimator&&) noexcept = default;
PoseEstimator::~PoseEstimator() = default;

Result<PoseEstimator> PoseEstimator::load(const std::string& yolox_path, const std::string& dwpose_path,
                                          at::Device device) {
  ASSIGN_OR_RETURN(Net yolox, load_net(yolox_path, 1, device, "yolox_l.onnx"));
  ASSIGN_OR_RETURN(Net dwpose, load_net(dwpose_path, 2, device, "dw-ll_ucoco_384.onnx"));
  return PoseEstimator(std::make_unique<Nets>(Nets{std::move(yolox), std::move(dwpose), device}));
}

Result<std::vector<FramePose>> PoseEstimator::estimate(const at::Tensor& frames) {
  CHECK(frames.dim() == 4 && frames.size(3) == kChannels && frames.scalar_type() == at::kByte &&
        frames.is_cpu() && frames.size(1) > 0 && frames.size(2) > 0);
  std::vector<FramePose> poses;
  try {
    const at::Tensor pixels = frames.contiguous();
    for (std::int64_t first = 0; first < pixels.size(0); first += nets_->batch()) {
      const std::int64_t last = std::min<std::int64_t>(first + nets_->batch(), pixels.size(0));
      RETURN_IF_ERROR(nets_->estimate(pixels.slice(0, first, last), poses));
    }
  } catch (const c10::OutOfMemoryError& error) {
    return Status(StatusCode::kResourceExhausted, std::string("pose: ") + error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return Status(StatusCode::kInternal, std::string("pose: ") + error.what_without_backtrace());
  }
  return poses;
}

}  // namespace mimicfleet::pose
