#include "worker/models/pose/estimator.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/max.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include "worker/models/nn/transfer.h"
#include "worker/models/pose/detections.h"
#include "worker/models/pose/for_each_frame.h"
#include "worker/models/pose/normalise.h"
#include "worker/models/pose/warp.h"
#include "worker/onnx/session.h"

namespace mimicfleet::pose {
namespace {

constexpr int kChannels = 3;
constexpr double kSimccSplit = 2.0;  // SimCC bins a pixel
constexpr std::string_view kSource =
    "models/DWPose of the model folder, from huggingface.co/yzd-v/DWPose";

// A net with one picture as input.
struct Net {
  onnx::Session session;
  std::string file;
  int height;
  int width;
  nn::Outbox pictures;  // [n, height, width, 3]
};

Result<Net> load_net(const std::string& path, std::size_t outputs, at::Device device,
                     std::string_view name) {
  auto session = onnx::Session::load(path, device);
  if (!session.ok()) {
    const Status status = session.status();
    return Status(status.code(), status.message() + "; expected is " + std::string(name) + " (" +
                                     std::string(kSource) + ")");
  }
  const auto& inputs = session->inputs();
  const bool fits = inputs.size() == 1 && inputs[0].type == onnx::DataType::kFloat &&
                    inputs[0].dims.size() == 4 && inputs[0].dims[1] == kChannels &&
                    inputs[0].dims[2] >= 32 && inputs[0].dims[2] <= 4096 &&
                    inputs[0].dims[3] >= 32 && inputs[0].dims[3] <= 4096 &&
                    session->output_count() == outputs;
  if (!fits) {
    return Status(StatusCode::kBadInput, path + ": is another net than " + std::string(name) +
                                             " (" + std::string(kSource) + ")");
  }
  const auto height = static_cast<int>(inputs[0].dims[2]);
  const auto width = static_cast<int>(inputs[0].dims[3]);
  return Net{std::move(session).value(), path, height, width, nn::Outbox(device)};
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

// A person's place in a batch of frames.
struct FoundPerson {
  std::int64_t frame;
  Region region;
  bool is_guess;  // the detector finds nobody in the frame
};

// Frames of which YOLOX is finding the persons.
struct Detection {
  at::Tensor frames;
  nn::HostCopy rows;  // [n, rows, kRowValues]
};

// dwpose/onnxdet.py: inference_detector, for several frames.
Result<Detection> begin_detection(Net& yolox, const at::Tensor& frames) {
  const std::int64_t count = frames.size(0);
  const at::Tensor pictures = yolox.pictures.fill(count, {yolox.height, yolox.width, kChannels});
  RETURN_IF_ERROR(for_each_frame(static_cast<std::size_t>(count), [&](std::size_t i) {
    const auto index = static_cast<std::int64_t>(i);
    letterbox(view_of(frames, index), yolox.height, yolox.width,
              pictures[index].mutable_data_ptr<std::uint8_t>());
    return Status();
  }));
  // [n, 3, S, S], 0-255.
  const at::Tensor input = yolox.pictures.send().permute({0, 3, 1, 2}).to(at::kFloat);
  ASSIGN_OR_RETURN(const auto outputs, yolox.session.run_batch({input}));
  const at::Tensor& output = outputs[0];  // [n, rows, 5 + classes]
  const int rows = yolox_rows(yolox.height, yolox.width);
  if (output.dim() != 3 || output.size(1) != rows || output.size(2) < kRowValues) {
    return wrong_output(yolox, "YOLOX's raw boxes");
  }
  return Detection{frames, nn::HostCopy(output.slice(2, 0, kRowValues).contiguous())};
}

std::vector<std::vector<Box>> found_persons(const Detection& detection, const Net& yolox) {
  const at::Tensor& rows = detection.rows.get();
  const auto size = static_cast<std::size_t>(rows.size(1) * rows.size(2));
  std::vector<std::vector<Box>> boxes;
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    const double ratio = letterbox_ratio(view_of(detection.frames, i), yolox.height, yolox.width);
    boxes.push_back(
        find_persons({rows[i].const_data_ptr<float>(), size}, yolox.height, yolox.width, ratio));
  }
  return boxes;
}

// The highest bin of each keypoint and axis: [n, 133, 4] double: x, y, value in x, value in y.
Result<at::Tensor> highest_bins(Net& dwpose, const at::Tensor& pictures) {
  ASSIGN_OR_RETURN(const auto outputs, dwpose.session.run_batch({pictures}));
  std::array<at::Tensor, 2> bins;
  std::array<at::Tensor, 2> values;
  for (const std::size_t axis : {0, 1}) {  // SimCC in x [n, 133, 2 W], in y [n, 133, 2 H]
    const at::Tensor& simcc = outputs[axis];
    const auto length =
        static_cast<std::int64_t>((axis == 0 ? dwpose.width : dwpose.height) * kSimccSplit);
    if (simcc.dim() != 3 || simcc.size(1) != kKeypoints || simcc.size(2) != length) {
      return wrong_output(dwpose, "DW-Pose's SimCC for 133 keypoints");
    }
    std::tie(values[axis], bins[axis]) = at::max(simcc, 2);
  }
  return at::stack({bins[0].to(at::kDouble), bins[1].to(at::kDouble), values[0].to(at::kDouble),
                    values[1].to(at::kDouble)},
                   2);
}

// Persons whose keypoints are being estimated.
struct Estimation {
  std::vector<FoundPerson> persons;
  nn::HostCopy bins;  // see highest_bins()
};

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
  Normaliser normalised;
  int batch;  // frames, or persons

  Result<std::vector<FramePose>> estimate(const at::Tensor& frames);
  Status begin_estimations(const Detection& detection, std::int64_t first_frame,
                           std::vector<Estimation>& begun);
  Result<Estimation> begin_estimation(const at::Tensor& frames, std::int64_t first_frame,
                                      std::vector<FoundPerson> persons);
  void end_estimation(const Estimation& estimation, std::vector<FramePose>& poses) const;
};

// The candidates' frames count from the first of `frames`, the estimation's from the clip's.
Result<Estimation> PoseEstimator::Nets::begin_estimation(const at::Tensor& frames,
                                                         std::int64_t first_frame,
                                                         std::vector<FoundPerson> persons) {
  const at::Tensor pictures = dwpose.pictures.fill(static_cast<std::int64_t>(persons.size()),
                                                   {dwpose.height, dwpose.width, kChannels});
  RETURN_IF_ERROR(for_each_frame(persons.size(), [&](std::size_t i) {
    crop(view_of(frames, persons[i].frame), persons[i].region, dwpose.height, dwpose.width,
         pictures[static_cast<std::int64_t>(i)].mutable_data_ptr<std::uint8_t>());
    return Status();
  }));
  ASSIGN_OR_RETURN(const at::Tensor bins, highest_bins(dwpose, normalised(dwpose.pictures.send())));
  for (FoundPerson& person : persons) person.frame += first_frame;
  return Estimation{std::move(persons), nn::HostCopy(bins.contiguous())};
}

Status PoseEstimator::Nets::begin_estimations(const Detection& detection, std::int64_t first_frame,
                                              std::vector<Estimation>& begun) {
  const Box whole_frame{0, 0, static_cast<double>(detection.frames.size(2)),
                        static_cast<double>(detection.frames.size(1))};
  std::vector<FoundPerson> open;
  const auto begin_open = [&]() -> Status {
    ASSIGN_OR_RETURN(auto estimation,
                     begin_estimation(detection.frames, first_frame, std::exchange(open, {})));
    begun.push_back(std::move(estimation));
    return {};
  };
  const auto boxes = found_persons(detection, yolox);
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    for (const Box& box : boxes[i].empty() ? std::vector{whole_frame} : boxes[i]) {
      open.push_back({static_cast<std::int64_t>(i), region_of(box, dwpose.height, dwpose.width),
                      boxes[i].empty()});
      if (open.size() == static_cast<std::size_t>(batch)) RETURN_IF_ERROR(begin_open());
    }
  }
  return open.empty() ? Status() : begin_open();
}

void PoseEstimator::Nets::end_estimation(const Estimation& estimation,
                                         std::vector<FramePose>& poses) const {
  const at::Tensor& bins = estimation.bins.get();
  for (std::size_t i = 0; i < estimation.persons.size(); ++i) {
    const FoundPerson& person = estimation.persons[i];
    const auto* values = bins[static_cast<std::int64_t>(i)].const_data_ptr<double>();
    FramePose& pose = poses[static_cast<std::size_t>(person.frame)];
    pose.persons.push_back(keypoints_from(values, person.region, dwpose));
    pose.nobody = person.is_guess;
  }
}

// A GPU always has a batch to work on beside the one that the CPU prepares or reads.
Result<std::vector<FramePose>> PoseEstimator::Nets::estimate(const at::Tensor& frames) {
  const FramePose unseen{static_cast<int>(frames.size(1)), static_cast<int>(frames.size(2)), {}};
  std::vector<FramePose> poses(static_cast<std::size_t>(frames.size(0)), unseen);
  std::optional<Detection> detection;
  std::vector<Estimation> estimations;
  for (std::int64_t first = 0; first < frames.size(0) + batch; first += batch) {
    std::optional<Detection> next;
    if (first < frames.size(0)) {
      const std::int64_t last = std::min<std::int64_t>(first + batch, frames.size(0));
      ASSIGN_OR_RETURN(next, begin_detection(yolox, frames.slice(0, first, last)));
    }
    std::vector<Estimation> begun;
    if (detection) RETURN_IF_ERROR(begin_estimations(*detection, first - batch, begun));
    for (const Estimation& estimation : estimations) end_estimation(estimation, poses);
    estimations = std::move(begun);
    detection = std::move(next);
  }
  for (const Estimation& estimation : estimations) end_estimation(estimation, poses);
  return poses;
}

PoseEstimator::PoseEstimator(std::unique_ptr<Nets> nets) : nets_(std::move(nets)) {}
PoseEstimator::PoseEstimator(PoseEstimator&&) noexcept = default;
PoseEstimator& PoseEstimator::operator=(PoseEstimator&&) noexcept = default;
PoseEstimator::~PoseEstimator() = default;

Result<PoseEstimator> PoseEstimator::load(const std::string& yolox_path,
                                          const std::string& dwpose_path, at::Device device) {
  return load(yolox_path, dwpose_path, device,
              device.is_cpu() ? kFramesPerBatch : kFramesPerGpuBatch);
}

Result<PoseEstimator> PoseEstimator::load(const std::string& yolox_path,
                                          const std::string& dwpose_path, at::Device device,
                                          int frames_per_batch) {
  CHECK(frames_per_batch > 0);
  ASSIGN_OR_RETURN(Net yolox, load_net(yolox_path, 1, device, "yolox_l.onnx"));
  ASSIGN_OR_RETURN(Net dwpose, load_net(dwpose_path, 2, device, "dw-ll_ucoco_384.onnx"));
  return PoseEstimator(std::make_unique<Nets>(
      Nets{std::move(yolox), std::move(dwpose), Normaliser(device), frames_per_batch}));
}

int PoseEstimator::frames_per_batch() const { return nets_->batch; }

Result<std::vector<FramePose>> PoseEstimator::estimate(const at::Tensor& frames) {
  CHECK(frames.dim() == 4 && frames.size(3) == kChannels && frames.scalar_type() == at::kByte &&
        frames.is_cpu() && frames.size(1) > 0 && frames.size(2) > 0);
  try {
    return nets_->estimate(frames.contiguous());
  } catch (const c10::OutOfMemoryError& error) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("pose: ") + error.what_without_backtrace());
  } catch (const c10::Error& error) {
    return Status(StatusCode::kInternal, std::string("pose: ") + error.what_without_backtrace());
  }
}

}  // namespace mimicfleet::pose
