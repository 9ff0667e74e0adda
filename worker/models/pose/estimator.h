#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/status.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::pose {

// DWPose: YOLOX finds the persons of a frame, DW-Pose the 133 keypoints of each
// (github.com/IDEA-Research/DWPose, as UniSignMimicTurbo's dwpose/onnxdet.py and dwpose/onnxpose.py
// run it). fp32. One call at a time; a second thread needs its own estimator.
class PoseEstimator {
 public:
  // Reads the two ONNX files. Errors name the file: kNotFound, kBadInput (damaged, or not the graph
  // that is expected there), kUnsupported (an operator that is not implemented, by name).
  [[nodiscard]] static Result<PoseEstimator> load(const std::string& yolox_path,
                                                  const std::string& dwpose_path,
                                                  at::Device device);
  [[nodiscard]] static Result<PoseEstimator> load(const std::string& yolox_path,
                                                  const std::string& dwpose_path, at::Device device,
                                                  int frames_per_batch);

  PoseEstimator(PoseEstimator&&) noexcept;
  PoseEstimator& operator=(PoseEstimator&&) noexcept;
  ~PoseEstimator();

  // The persons of each frame. frames: uint8 RGB [n, H, W, 3] on the CPU. Frames run through the
  // nets kFramesPerBatch at a time on a CPU and kFramesPerGpuBatch on a GPU, counted from the
  // first: splitting a clip into calls at multiples of it gives the same bytes as one call. A GPU
  // works on one batch while the CPU prepares the next and reads the last.
  [[nodiscard]] Result<std::vector<FramePose>> estimate(const at::Tensor& frames);

  [[nodiscard]] int frames_per_batch() const;  // that run through the nets at once

  static constexpr int kFramesPerBatch = 4;
  static constexpr int kFramesPerGpuBatch = 16;

 private:
  struct Nets;
  explicit PoseEstimator(std::unique_ptr<Nets> nets);

  std::unique_ptr<Nets> nets_;
};

}  // namespace mimicfleet::pose
