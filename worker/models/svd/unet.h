#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"
#include "worker/models/svd/embedding.h"
#include "worker/models/svd/resnet.h"
#include "worker/models/svd/transformer.h"

// The denoiser: UNetSpatioTemporalConditionModel as MimicMotion changes it, pose features being
// added after the first convolution (github.com/Tencent/MimicMotion, mimicmotion/modules/unet.py;
// blocks: diffusers v0.27.0, models/unets/unet_3d_blocks.py).
namespace mimicfleet::svd {

struct UnetConfig {
  std::int64_t in_channels = 8;
  std::int64_t out_channels = 4;
  std::vector<std::int64_t> block_out_channels = {320, 640, 1280, 1280};
  std::vector<bool> down_has_attention = {true, true, true, false};
  std::vector<bool> up_has_attention = {false, true, true, true};
  std::vector<std::int64_t> layers_per_block = {2, 2, 2, 2};
  std::vector<std::int64_t> transformer_layers_per_block = {1, 1, 1, 1};
  std::vector<std::int64_t> num_attention_heads = {5, 10, 20, 20};
  std::int64_t cross_attention_dim = 1024;
  std::int64_t addition_time_embed_dim = 256;
};

// unet/config.json. Values that this build does not compute are kUnsupported, naming the key.
[[nodiscard]] Result<UnetConfig> read_unet_config(const std::string& path);

// What the transformers add that depends on the context and on the number of frames alone, of each
// transformer; the same in all steps of a clip. See Unet::constants().
using UnetConstants = std::vector<SpatioTemporalTransformer::Constants>;

struct UnetInput {
  at::Tensor sample;         // [B, T, 8, h, w]: scaled noisy latents and image latents
  double timestep = 0;       // 0.25 ln(sigma)
  at::Tensor context;        // [B, 1, X] CLIP embedding
  at::Tensor time_ids;       // [B, 3] fps - 1, motion bucket, noise augmentation
  at::Tensor pose_features;  // [n*T, C0, h, w] of the last n clips, or undefined
  const UnetConstants* constants =
      nullptr;              // of this context and these frames; null: they are computed
  bool image_only = false;  // without the temporal blocks
  // With several clips in a call the original gives position s of clip b the context of clip (b*S +
  // s) % B in the temporal blocks. Its pipeline has one clip a call, where that is the clip's own;
  // so it is here by default.
  bool contexts_as_original = false;
  nn::Observer observe;  // may be empty
};

class Unet {
 public:
  Unet(const nn::Scope& scope, const UnetConfig& config);

  // For `constants` of inputs with this context [B, 1, X] and so many frames, with temporal blocks
  // and each clip's own context.
  [[nodiscard]] UnetConstants constants(const at::Tensor& context, std::int64_t frames) const;

  // [B, T, 4, h, w]; h and w are multiples of size_multiple().
  [[nodiscard]] at::Tensor operator()(const UnetInput& input) const;

  // The same UNet, with this one's weights, whose transformers multiply in 8-bit floating point
  // where a layer has at least `fewest_inputs`: of those with fewer the quantising costs what the
  // product gains.
  static constexpr std::int64_t kFewestInputs = 640;
  [[nodiscard]] Unet in_fp8(std::int64_t fewest_inputs = kFewestInputs) const;

  [[nodiscard]] std::int64_t base_channels() const { return config_.block_out_channels.front(); }
  [[nodiscard]] std::int64_t context_channels() const { return config_.cross_attention_dim; }
  [[nodiscard]] std::int64_t size_multiple() const {
    return std::int64_t{1} << (down_blocks_.size() - 1);
  }

 private:
  // What every block gets beside its images.
  struct Conditions {
    at::Tensor time;     // [B, 4*C0] after SiLU
    at::Tensor context;  // [B, 1, X]
    const UnetConstants* constants = nullptr;
    std::int64_t frames = 1;
    bool with_time = true;
    bool contexts_as_original = false;
  };

  struct Layer {
    SpatioTemporalResBlock resnet;
    std::optional<SpatioTemporalTransformer> attention;
    std::size_t attention_number = 0;  // in the order in which they run

    [[nodiscard]] SpatioTemporalTransformer::Constants constants(const Conditions& conditions,
                                                                 std::int64_t positions) const;
    [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x,
                                            const Conditions& conditions) const;
  };

  struct DownBlock {
    std::vector<Layer> layers;
    std::optional<Downsample> downsampler;
  };

  struct UpBlock {
    std::vector<Layer> layers;
    std::optional<Upsample> upsampler;
  };

  void make_down_blocks(const nn::Scope& scope);
  void make_up_blocks(const nn::Scope& scope);
  [[nodiscard]] Layer make_layer(const nn::Scope& block, int index, std::int64_t in,
                                 std::size_t level, double eps, bool has_attention);
  [[nodiscard]] at::Tensor embed_time(const UnetInput& input) const;
  [[nodiscard]] at::Tensor last_convolution(const nn::WithAddend& h,
                                            const nn::Observer& observe) const;

  UnetConfig config_;
  std::size_t attentions_ = 0;
  nn::Conv2d conv_in_;
  TimestepEmbedding time_embedding_;
  TimestepEmbedding add_embedding_;
  std::vector<DownBlock> down_blocks_;
  std::vector<Layer> mid_;  // resnet + attention, resnet
  std::vector<UpBlock> up_blocks_;
  nn::GroupNorm conv_norm_out_;
  nn::Conv2d conv_out_;
};

}  // namespace mimicfleet::svd
