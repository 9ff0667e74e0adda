#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"

namespace mimicfleet::svd {

// Turns pose pictures into features that the UNet adds after its first convolution.
// (github.com/Tencent/MimicMotion, mimicmotion/modules/pose_net.py)
class PoseNet {
 public:
  PoseNet(const nn::Scope& scope, std::int64_t out_channels);

  // [N, 3, H, W] in [-1, 1] -> [N, C0, H/8, W/8]
  [[nodiscard]] at::Tensor operator()(const at::Tensor& pictures) const;

 private:
  std::vector<nn::Conv2d> conv_layers_;
  nn::Conv2d final_proj_;
  at::Tensor scale_;  // [1] on the CPU
};

}  // namespace mimicfleet::svd
