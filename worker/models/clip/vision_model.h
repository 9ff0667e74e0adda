#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/models/nn/attention.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"

// The image encoder that conditions the UNet: CLIPVisionModelWithProjection
// (transformers v4.39.3, models/clip/modeling_clip.py).
namespace mimicfleet::clip {

struct VisionConfig {
  std::int64_t hidden_size = 1280;
  std::int64_t intermediate_size = 5120;
  std::int64_t num_hidden_layers = 32;
  std::int64_t num_attention_heads = 16;
  std::int64_t image_size = 224;
  std::int64_t patch_size = 14;
  std::int64_t projection_dim = 1024;
  double layer_norm_eps = 1e-5;
  bool quick_gelu = false;
};

// image_encoder/config.json. Values that this build does not compute are kUnsupported, naming the
// key.
[[nodiscard]] Result<VisionConfig> read_vision_config(const std::string& path);

class VisionModel {
 public:
  VisionModel(const nn::Scope& scope, const VisionConfig& config);

  // pixels: [N, 3, image_size, image_size] as `preprocess` makes them -> [N, projection_dim]
  [[nodiscard]] at::Tensor operator()(const at::Tensor& pixels) const;

  [[nodiscard]] std::int64_t image_size() const { return config_.image_size; }
  [[nodiscard]] std::int64_t embedding_size() const { return config_.projection_dim; }

 private:
  struct EncoderLayer {
    nn::LayerNorm layer_norm1;
    nn::SelfAttention self_attn;
    nn::LayerNorm layer_norm2;
    nn::Linear fc1;
    nn::Linear fc2;
  };

  [[nodiscard]] at::Tensor activation(const at::Tensor& x) const;

  VisionConfig config_;
  at::Tensor class_embedding_;     // [C]
  nn::Conv2d patch_embedding_;     // one patch, one token
  at::Tensor position_embedding_;  // [1 + patches, C]
  nn::LayerNorm pre_layrnorm_;     // sic: the key in checkpoints
  std::vector<EncoderLayer> layers_;
  nn::LayerNorm post_layernorm_;
  nn::Linear visual_projection_;
};

// The pixels that the model sees of an image: scaled to size x size and normalised as the original
// does it. (diffusers v0.27.0, pipeline_stable_video_diffusion.py: _resize_with_antialiasing, and
// CLIP's mean and deviation.) image_u8: [3, H, W] uint8 -> [1, 3, size, size] float32.
[[nodiscard]] at::Tensor preprocess(const at::Tensor& image_u8, std::int64_t size);

}  // namespace mimicfleet::clip
