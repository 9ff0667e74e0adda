#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace mimicfleet::pose {

// Bytes as the estimator's net wants them: without ImageNet's mean, over its deviation, computed in
// double as numpy does it and then made float (dwpose/onnxpose.py: preprocess).
class Normaliser {
 public:
  explicit Normaliser(at::Device device);

  // uint8 [n, H, W, 3] on the device -> float [n, 3, H, W] in channels-last memory.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& pictures) const;

 private:
  at::Tensor values_;  // [3, 256]: what each byte becomes
};

}  // namespace mimicfleet::pose
