#include "worker/models/svd/autoencoder.h"

#include <utility>

#include <ATen/TensorOperators.h>

#include "worker/models/nn/model_config.h"

namespace mimicfleet::svd {
namespace {

constexpr std::int64_t kColors = 3;
constexpr double kEps = 1e-6;
constexpr SpatioTemporalResBlock::Options kDecoderBlock = {
    .time_channels = 0, .eps = kEps, .temporal_eps = 1e-5, .mix = MixFactorOf::kTemporal};
const at::Tensor kNoTime;

}  // namespace

ImageAttention::ImageAttention(const nn::Scope& scope, std::int64_t channels)
    : group_norm(scope / "group_norm", channels, kEps),
      attention(scope, channels, /*heads=*/1, /*projections_have_bias=*/true) {}

nn::WithAddend ImageAttention::operator()(const nn::WithAddend& x) const {
  const at::Tensor images = nn::settled_copy(x);
  const at::Tensor y = attention.over_tokens(nn::as_tokens(group_norm(x)));  // [N, H*W, C]
  return {nn::as_images(y, images.size(2), images.size(3)) + images};        // [N, C, H, W]
}

Encoder::Encoder(const nn::Scope& scope, const AutoencoderConfig& config)
    : conv_in_(scope / "conv_in", kColors, config.block_out_channels.front()),
      mid_resnet_0_(scope / "mid_block" / "resnets" / 0, config.block_out_channels.back(),
                    config.block_out_channels.back(), 0, kEps),
      mid_attention_(scope / "mid_block" / "attentions" / 0, config.block_out_channels.back()),
      mid_resnet_1_(scope / "mid_block" / "resnets" / 1, config.block_out_channels.back(),
                    config.block_out_channels.back(), 0, kEps),
      conv_norm_out_(scope / "conv_norm_out", config.block_out_channels.back(), kEps),
      conv_out_(scope / "conv_out", config.block_out_channels.back(), 2 * config.latent_channels) {
  std::int64_t channels = config.block_out_channels.front();
  for (std::size_t i = 0; i < config.block_out_channels.size(); ++i) {
    const nn::Scope block = scope / "down_blocks" / static_cast<int>(i);
    DownBlock down;
    for (int layer = 0; layer < config.layers_per_block; ++layer) {
      down.resnets.emplace_back(block / "resnets" / layer, channels, config.block_out_channels[i],
                                0, kEps);
      channels = config.block_out_channels[i];
    }
    if (i + 1 < config.block_out_channels.size()) {
      down.downsampler.emplace(block / "downsamplers" / 0, channels, /*padding=*/0);
    }
    down_blocks_.push_back(std::move(down));
  }
}

at::Tensor Encoder::operator()(const at::Tensor& images, const nn::Observer& observe) const {
  nn::WithAddend h{conv_in_(images.contiguous(at::MemoryFormat::ChannelsLast))};  // [N, C0, H, W]
  for (const auto& block : down_blocks_) {
    for (const auto& resnet : block.resnets) h = resnet(h, kNoTime);
    if (block.downsampler) h = {(*block.downsampler)(nn::settled(std::move(h)))};
  }
  h = mid_resnet_1_(mid_attention_(mid_resnet_0_(h, kNoTime)), kNoTime);  // [N, C3, H/8, W/8]
  if (observe) observe("encoder.mid_block", nn::settled_copy(h));
  return conv_out_(conv_norm_out_.then_silu(h));  // [N, 2*L, H/8, W/8]
}

TemporalDecoder::TemporalDecoder(const nn::Scope& scope, const AutoencoderConfig& config)
    : conv_in_(scope / "conv_in", config.latent_channels, config.block_out_channels.back()),
      mid_attention_(scope / "mid_block" / "attentions" / 0, config.block_out_channels.back()),
      conv_norm_out_(scope / "conv_norm_out", config.block_out_channels.front(), kEps),
      conv_out_(scope / "conv_out", config.block_out_channels.front(), kColors),
      time_conv_out_(scope / "time_conv_out", kColors, kColors) {
  std::int64_t channels = config.block_out_channels.back();
  for (int i = 0; i < config.layers_per_block; ++i) {
    mid_resnets_.emplace_back(scope / "mid_block" / "resnets" / i, channels, channels,
                              kDecoderBlock);
  }
  const std::size_t levels = config.block_out_channels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    const nn::Scope block = scope / "up_blocks" / static_cast<int>(i);
    const std::int64_t out = config.block_out_channels[levels - 1 - i];
    UpBlock up;
    for (int layer = 0; layer < config.layers_per_block + 1; ++layer) {
      up.resnets.emplace_back(block / "resnets" / layer, channels, out, kDecoderBlock);
      channels = out;
    }
    if (i + 1 < levels) up.upsampler.emplace(block / "upsamplers" / 0, channels);
    up_blocks_.push_back(std::move(up));
  }
}

at::Tensor TemporalDecoder::operator()(const at::Tensor& latents,
                                       const nn::Observer& observe) const {
  const std::int64_t frames = latents.size(0);
  const auto observed = [&](const std::string& block, const nn::WithAddend& output) {
    if (observe) observe("decoder." + block, nn::settled_copy(output));
  };
  nn::WithAddend h{conv_in_(latents.contiguous(at::MemoryFormat::ChannelsLast))};  // [T, C3, h, w]
  observed("conv_in", h);
  h = mid_resnets_[0](h, kNoTime, frames);
  // The original pairs its one attention with the second block: with one block it runs neither
  // attention nor a second block, with three or more the others stay unused.
  if (mid_resnets_.size() > 1) h = mid_resnets_[1](mid_attention_(h), kNoTime, frames);
  observed("mid_block", h);
  for (std::size_t i = 0; i < up_blocks_.size(); ++i) {
    for (const auto& resnet : up_blocks_[i].resnets) h = resnet(h, kNoTime, frames);
    if (up_blocks_[i].upsampler) h = (*up_blocks_[i].upsampler)(nn::settled(std::move(h)));
    observed("up_blocks." + std::to_string(i), h);
  }
  const at::Tensor frames_alone = conv_out_(conv_norm_out_.then_silu(h));  // [T, 3, 8h, 8w]
  const std::int64_t height = frames_alone.size(2);
  // [1, 3, T, 8h*8w]
  const at::Tensor clip = nn::as_tokens(frames_alone).unsqueeze(0).permute({0, 3, 1, 2});
  const at::Tensor blended = time_conv_out_(clip, height);  // [1, 3, T, 8h*8w]
  return nn::as_images(blended.permute({0, 2, 3, 1}).squeeze(0), height,
                       frames_alone.size(3));  // [T, 3, 8h, 8w]
}

// As diffusers has it for these models: float32 instead of float16, which the encoder's numbers may
// exceed.
Autoencoder::Autoencoder(const nn::Scope& scope, const AutoencoderConfig& config)
    : config_(config),
      encoder_type_(config.force_upcast && scope.type() == at::kHalf ? at::kFloat : scope.type()),
      encoder_(scope.of_type(encoder_type_) / "encoder", config),
      decoder_(scope / "decoder", config),
      quant_conv_(scope.of_type(encoder_type_) / "quant_conv", 2 * config.latent_channels,
                  2 * config.latent_channels, {1, 1, 0}) {}

at::Tensor Autoencoder::encode(const at::Tensor& images, const nn::Observer& observe) const {
  return quant_conv_(encoder_(images.to(encoder_type_), observe));
}

at::Tensor Autoencoder::encode_mode(const at::Tensor& images) const {
  return encode(images).narrow(1, 0, config_.latent_channels);
}

at::Tensor Autoencoder::decode(const at::Tensor& latents, const nn::Observer& observe) const {
  return decoder_(latents * (1 / config_.scaling_factor), observe);
}

Result<AutoencoderConfig> read_autoencoder_config(const std::string& path) {
  constexpr std::int64_t kMaxChannels = 1 << 14;
  ASSIGN_OR_RETURN(const auto json, nn::ModelConfig::read(path));
  RETURN_IF_ERROR(json.expect("_class_name", std::string("AutoencoderKLTemporalDecoder")));
  RETURN_IF_ERROR(json.expect("in_channels", std::uint64_t{kColors}));
  RETURN_IF_ERROR(json.expect("out_channels", std::uint64_t{kColors}));
  ASSIGN_OR_RETURN(const auto types, json.strings("down_block_types"));
  if (types.empty() || types.size() > 8)
    return json.unsupported("down_block_types", "1 to 8 blocks");
  for (const auto& type : types) {
    if (type != "DownEncoderBlock2D")
      return json.unsupported("down_block_types", "DownEncoderBlock2D");
  }
  AutoencoderConfig config;
  ASSIGN_OR_RETURN(config.block_out_channels, json.integers("block_out_channels", types.size(),
                                                            nn::GroupNorm::kGroups, kMaxChannels));
  for (const std::int64_t channels : config.block_out_channels) {
    if (channels % nn::GroupNorm::kGroups != 0)
      return json.unsupported("block_out_channels", "multiples of 32");
  }
  ASSIGN_OR_RETURN(config.layers_per_block, json.integer("layers_per_block", 1, 16));
  ASSIGN_OR_RETURN(config.latent_channels, json.integer("latent_channels", 4, 4));
  ASSIGN_OR_RETURN(config.scaling_factor, json.number("scaling_factor", 1e-3, 1e3));
  ASSIGN_OR_RETURN(config.force_upcast, json.flag("force_upcast", true));
  return config;
}

}  // namespace mimicfleet::svd
