#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"

// Residual blocks of Stable Video Diffusion (diffusers v0.27.0, models/resnet.py). B clips of T
// frames; images of all clips are one batch of N = B*T. `time` is the embedding after SiLU, [B, E],
// or undefined in the autoencoder.
namespace mimicfleet::svd {

struct ResnetBlock {
  ResnetBlock(const nn::Scope& scope, std::int64_t in, std::int64_t out, std::int64_t time_channels,
              double eps);

  [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x, const at::Tensor& time) const;

  nn::GroupNorm norm1;
  nn::Conv2d conv1;
  std::optional<nn::Linear> time_emb_proj;
  nn::GroupNorm norm2;
  nn::Conv2d conv2;
  std::optional<nn::Conv2d> conv_shortcut;
};

// What TemporalResnetBlock adds to its input: the block without its skip connection. Clips are
// images here, of frames and positions.
struct TemporalResidual {
  TemporalResidual(const nn::Scope& scope, std::int64_t channels, std::int64_t time_channels,
                   double eps);

  // x: [B, C, T, S] of images of this height.
  [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x, const at::Tensor& time,
                                          std::int64_t height) const;

  nn::GroupNorm norm1;
  nn::TemporalConv conv1;
  std::optional<nn::Linear> time_emb_proj;
  nn::GroupNorm norm2;
  nn::TemporalConv conv2;
};

// Which of the two mixing rules: the UNet's mix factor weighs the spatial part, the autoencoder's
// the temporal.
enum class MixFactorOf { kSpatial, kTemporal };

// How much of the temporal part goes into the blend: sigmoid(mix_factor), or its rest.
struct TimeMixer {
  TimeMixer(const nn::Scope& scope, MixFactorOf rule);

  [[nodiscard]] double temporal_share() const;

  at::Tensor mix_factor;  // [1] on the CPU
  MixFactorOf rule;
};

// A residual block on each image, then one along the frames, blended.
struct SpatioTemporalResBlock {
  struct Options {
    std::int64_t time_channels = 0;  // 0: no time embedding
    double eps = 1e-5;
    double temporal_eps = 1e-5;
    MixFactorOf mix = MixFactorOf::kSpatial;
  };
  SpatioTemporalResBlock(const nn::Scope& scope, std::int64_t in, std::int64_t out,
                         const Options& options);

  // x: [B*T, in, H, W] -> [B*T, out, H, W]. Without `with_time` the temporal part is left out
  // (images, no clip).
  [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x, const at::Tensor& time,
                                          std::int64_t frames, bool with_time = true) const;

  ResnetBlock spatial_res_block;
  TemporalResidual temporal_res_block;
  TimeMixer time_mixer;
};

struct Downsample {
  // `padding` 1 on all sides, or 0: then one row and column at the end, as the autoencoder has it.
  Downsample(const nn::Scope& scope, std::int64_t channels, std::int64_t padding);

  [[nodiscard]] at::Tensor operator()(
      const at::Tensor& x) const;  // [N, C, H, W] -> [N, C, H/2, W/2]

  nn::Conv2d conv;
};

struct Upsample {
  Upsample(const nn::Scope& scope, std::int64_t channels);

  [[nodiscard]] nn::WithAddend operator()(
      const at::Tensor& x) const;  // [N, C, H, W] -> [N, C, 2H, 2W]

  nn::UpsamplingConv conv;
};

}  // namespace mimicfleet::svd
