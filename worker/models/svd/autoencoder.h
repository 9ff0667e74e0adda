#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/models/nn/attention.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"
#include "worker/models/svd/resnet.h"

// diffusers v0.27.0, models/autoencoders/autoencoder_kl_temporal_decoder.py: images to latents one
// by one, latents to frames with layers along time.
namespace mimicfleet::svd {

struct AutoencoderConfig {
  std::vector<std::int64_t> block_out_channels = {128, 256, 512, 512};
  std::int64_t layers_per_block = 2;
  std::int64_t latent_channels = 4;
  double scaling_factor = 0.18215;
  bool force_upcast = true;  // the encoder's numbers are too large for fp16
};

// vae/config.json. Values that this build does not compute are kUnsupported, naming the key.
[[nodiscard]] Result<AutoencoderConfig> read_autoencoder_config(const std::string& path);

// One-headed attention among the positions of an image, with its own norm and skip connection.
struct ImageAttention {
  ImageAttention(const nn::Scope& scope, std::int64_t channels);

  [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x) const;  // [N, C, H, W]

  nn::GroupNorm group_norm;
  nn::SelfAttention attention;
};

class Encoder {
 public:
  Encoder(const nn::Scope& scope, const AutoencoderConfig& config);

  // [N, 3, H, W] -> [N, 2*L, H/8, W/8]
  [[nodiscard]] at::Tensor operator()(const at::Tensor& images, const nn::Observer& observe) const;

 private:
  struct DownBlock {
    std::vector<ResnetBlock> resnets;
    std::optional<Downsample> downsampler;
  };

  nn::Conv2d conv_in_;
  std::vector<DownBlock> down_blocks_;
  ResnetBlock mid_resnet_0_;
  ImageAttention mid_attention_;
  ResnetBlock mid_resnet_1_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
};

class TemporalDecoder {
 public:
  TemporalDecoder(const nn::Scope& scope, const AutoencoderConfig& config);

  // One clip: [T, L, h, w] -> [T, 3, 8h, 8w]
  [[nodiscard]] at::Tensor operator()(const at::Tensor& latents, const nn::Observer& observe) const;

 private:
  struct UpBlock {
    std::vector<SpatioTemporalResBlock> resnets;
    std::optional<Upsample> upsampler;
  };

  nn::Conv2d conv_in_;
  std::vector<SpatioTemporalResBlock> mid_resnets_;
  ImageAttention mid_attention_;  // between the first two
  std::vector<UpBlock> up_blocks_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
  nn::TemporalConv time_conv_out_;
};

class Autoencoder {
 public:
  Autoencoder(const nn::Scope& scope, const AutoencoderConfig& config);

  // Mean and log variance of the latents' distribution, not scaled. images: [N, 3, H, W] in [-1,
  // 1], of any float type -> [N, 2*L, H/8, W/8]. `observe` may be empty.
  [[nodiscard]] at::Tensor encode(const at::Tensor& images, const nn::Observer& observe = {}) const;

  // The mean alone: [N, L, H/8, W/8].
  [[nodiscard]] at::Tensor encode_mode(const at::Tensor& images) const;

  // Frames of one chunk of one clip. latents: [T, L, h, w] in the sampler's scale -> [T, 3, 8h, 8w]
  // around
  // [-1, 1].
  [[nodiscard]] at::Tensor decode(const at::Tensor& latents,
                                  const nn::Observer& observe = {}) const;

  [[nodiscard]] std::int64_t scale() const {
    return std::int64_t{1} << (config_.block_out_channels.size() - 1);
  }

 private:
  AutoencoderConfig config_;
  at::ScalarType encoder_type_;
  Encoder encoder_;
  TemporalDecoder decoder_;
  nn::Conv2d quant_conv_;
};

}  // namespace mimicfleet::svd
