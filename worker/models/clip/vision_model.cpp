#include "worker/models/clip/vision_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>

#include "worker/models/nn/model_config.h"

namespace mimicfleet::clip {
namespace {

std::int64_t token_count(const VisionConfig& config) {
  const std::int64_t side = config.image_size / config.patch_size;
  return 1 + side * side;
}

}  // namespace

VisionModel::VisionModel(const nn::Scope& scope, const VisionConfig& config)
    : config_(config),
      class_embedding_((scope / "vision_model" / "embeddings")
                           .parameter("class_embedding", {config.hidden_size})),
      patch_embedding_(scope / "vision_model" / "embeddings" / "patch_embedding", 3,
                       config.hidden_size, {config.patch_size, config.patch_size, 0, false}),
      position_embedding_((scope / "vision_model" / "embeddings" / "position_embedding")
                              .parameter("weight", {token_count(config), config.hidden_size})),
      pre_layrnorm_(scope / "vision_model" / "pre_layrnorm", config.hidden_size,
                    config.layer_norm_eps),
      post_layernorm_(scope / "vision_model" / "post_layernorm", config.hidden_size,
                      config.layer_norm_eps),
      visual_projection_(scope / "visual_projection", config.hidden_size, config.projection_dim,
                         false) {
  const std::int64_t width = config.hidden_size;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    const nn::Scope layer = scope / "vision_model" / "encoder" / "layers" / i;
    layers_.push_back({nn::LayerNorm(layer / "layer_norm1", width, config.layer_norm_eps),
                       nn::SelfAttention(layer / "self_attn", width, config.num_attention_heads,
                                         true, nn::kTransformersNames),
                       nn::LayerNorm(layer / "layer_norm2", width, config.layer_norm_eps),
                       nn::Linear(layer / "mlp" / "fc1", width, config.intermediate_size),
                       nn::Linear(layer / "mlp" / "fc2", config.intermediate_size, width)});
  }
}

at::Tensor VisionModel::activation(const at::Tensor& x) const {
  return config_.quick_gelu ? x * at::sigmoid(1.702 * x) : at::gelu(x);
}

at::Tensor VisionModel::operator()(const at::Tensor& pixels) const {
  const at::Tensor patches = nn::as_tokens(patch_embedding_(pixels));  // [N, P, C]
  // [N, 1, C]
  const at::Tensor first = class_embedding_.expand({pixels.size(0), 1, config_.hidden_size});
  // [N, 1 + P, C]
  at::Tensor h = pre_layrnorm_(at::cat({first, patches}, 1) + position_embedding_);
  for (const auto& layer : layers_) {
    h = h + layer.self_attn.over_tokens(layer.layer_norm1(h));       // [N, 1 + P, C]
    h = h + layer.fc2(activation(layer.fc1(layer.layer_norm2(h))));  // [N, 1 + P, C]
  }
  return visual_projection_(post_layernorm_(h.select(1, 0)));  // [N, X]
}

Result<VisionConfig> read_vision_config(const std::string& path) {
  constexpr std::int64_t kMaxChannels = 1 << 14;
  ASSIGN_OR_RETURN(const auto json, nn::ModelConfig::read(path));
  RETURN_IF_ERROR(json.expect("model_type", std::string("clip_vision_model")));
  RETURN_IF_ERROR(json.expect("num_channels", std::uint64_t{3}));
  VisionConfig config;
  ASSIGN_OR_RETURN(config.hidden_size, json.integer("hidden_size", 1, kMaxChannels));
  ASSIGN_OR_RETURN(config.intermediate_size,
                   json.integer("intermediate_size", 1, 4 * kMaxChannels));
  ASSIGN_OR_RETURN(config.num_hidden_layers, json.integer("num_hidden_layers", 1, 256));
  ASSIGN_OR_RETURN(config.num_attention_heads, json.integer("num_attention_heads", 1, 256));
  ASSIGN_OR_RETURN(config.image_size, json.integer("image_size", 1, 4096));
  ASSIGN_OR_RETURN(config.patch_size, json.integer("patch_size", 1, config.image_size));
  ASSIGN_OR_RETURN(config.projection_dim, json.integer("projection_dim", 1, kMaxChannels));
  ASSIGN_OR_RETURN(config.layer_norm_eps, json.number("layer_norm_eps", 0, 1));
  ASSIGN_OR_RETURN(const std::string act, json.text("hidden_act"));
  if (act != "gelu" && act != "quick_gelu")
    return json.unsupported("hidden_act", "gelu, quick_gelu");
  config.quick_gelu = act == "quick_gelu";
  if (config.hidden_size % config.num_attention_heads != 0) {
    return json.unsupported("num_attention_heads", "divisors of hidden_size");
  }
  return config;
}

}  // namespace mimicfleet::clip
