#include "worker/models/svd/unet.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include "worker/models/nn/model_config.h"

namespace mimicfleet::svd {
namespace {

constexpr std::int64_t kTimeIds = 3;  // fps - 1, motion bucket, noise augmentation
// The blocks differ in the epsilon of their norms (diffusers' defaults of each class).
constexpr double kEpsWithAttention = 1e-6;
constexpr double kEpsOfDownAndMid = 1e-5;
constexpr double kEpsOfUp = 1e-6;

// [B, 1, X] -> [B, S, X]: see UnetInput::contexts_as_original.
at::Tensor contexts_mixed_over_positions(const at::Tensor& context, std::int64_t positions) {
  const std::int64_t clips = context.size(0);
  const at::Tensor clip =
      at::arange(clips * positions, context.options().dtype(at::kLong)).remainder(clips);
  return context.squeeze(1).index_select(0, clip).unflatten(0, {clips, positions});
}

}  // namespace

Unet::Unet(const nn::Scope& scope, const UnetConfig& config)
    : config_(config),
      conv_in_(scope / "conv_in", config.in_channels, base_channels()),
      time_embedding_(scope / "time_embedding", base_channels(), 4 * base_channels(),
                      4 * base_channels()),
      add_embedding_(scope / "add_embedding", kTimeIds * config.addition_time_embed_dim,
                     4 * base_channels(), 4 * base_channels()),
      conv_norm_out_(scope / "conv_norm_out", base_channels(), 1e-5),
      conv_out_(scope / "conv_out", base_channels(), config.out_channels) {
  make_down_blocks(scope / "down_blocks");
  const std::size_t last = config_.block_out_channels.size() - 1;
  const std::int64_t channels = config_.block_out_channels[last];
  mid_.push_back(make_layer(scope / "mid_block", 0, channels, last, kEpsOfDownAndMid, true));
  mid_.push_back(make_layer(scope / "mid_block", 1, channels, last, kEpsOfDownAndMid, false));
  make_up_blocks(scope / "up_blocks");
}

Unet::Layer Unet::make_layer(const nn::Scope& block, int index, std::int64_t in, std::size_t level,
                             double eps, bool has_attention) {
  const std::int64_t out = config_.block_out_channels[level];
  Layer layer{SpatioTemporalResBlock(
                  block / "resnets" / index, in, out,
                  {.time_channels = 4 * base_channels(), .eps = eps, .temporal_eps = eps}),
              std::nullopt};
  if (has_attention) {
    layer.attention.emplace(
        block / "attentions" / index, out,
        SpatioTemporalTransformer::Options{config_.num_attention_heads[level],
                                           config_.transformer_layers_per_block[level],
                                           config_.cross_attention_dim});
    layer.attention_number = attentions_++;
  }
  return layer;
}

void Unet::make_down_blocks(const nn::Scope& scope) {
  std::int64_t channels = base_channels();
  for (std::size_t level = 0; level < config_.block_out_channels.size(); ++level) {
    const nn::Scope block = scope / static_cast<int>(level);
    const bool has_attention = config_.down_has_attention[level];
    const double eps = has_attention ? kEpsWithAttention : kEpsOfDownAndMid;
    DownBlock down;
    for (int i = 0; i < config_.layers_per_block[level]; ++i) {
      down.layers.push_back(make_layer(block, i, channels, level, eps, has_attention));
      channels = config_.block_out_channels[level];
    }
    if (level + 1 < config_.block_out_channels.size()) {
      down.downsampler.emplace(block / "downsamplers" / 0, channels, /*padding=*/1);
    }
    down_blocks_.push_back(std::move(down));
  }
}

// Every layer of an up block takes one of the images that the down blocks put aside, the last
// first: one more layer than the down block of that level, whose input is the extra one.
void Unet::make_up_blocks(const nn::Scope& scope) {
  const auto& widths = config_.block_out_channels;
  const std::size_t levels = widths.size();
  std::int64_t channels = widths.back();
  for (std::size_t i = 0; i < levels; ++i) {
    const std::size_t level = levels - 1 - i;
    const nn::Scope block = scope / static_cast<int>(i);
    UpBlock up;
    const std::int64_t layers = config_.layers_per_block[level] + 1;
    for (int layer = 0; layer < layers; ++layer) {
      const bool is_last = layer + 1 == layers;
      const std::int64_t skipped = is_last ? widths[level == 0 ? 0 : level - 1] : widths[level];
      up.layers.push_back(make_layer(block, layer, channels + skipped, level, kEpsOfUp,
                                     config_.up_has_attention[i]));
      channels = widths[level];
    }
    if (level > 0) up.upsampler.emplace(block / "upsamplers" / 0, channels);
    up_blocks_.push_back(std::move(up));
  }
}

SpatioTemporalTransformer::Constants Unet::Layer::constants(const Conditions& conditions,
                                                            std::int64_t positions) const {
  at::Tensor time_context;
  if (conditions.with_time) {
    time_context = conditions.contexts_as_original
                       ? contexts_mixed_over_positions(conditions.context, positions)
                       : conditions.context;
  }
  return attention->constants(conditions.context, time_context, conditions.frames);
}

nn::WithAddend Unet::Layer::operator()(const nn::WithAddend& x,
                                       const Conditions& conditions) const {
  // [B*T, C', H, W]
  nn::WithAddend h = resnet(x, conditions.time, conditions.frames, conditions.with_time);
  if (!attention) return h;
  if (conditions.constants != nullptr)
    return (*attention)(h, conditions.constants->at(attention_number), conditions.frames);
  return (*attention)(h, constants(conditions, h.images.size(2) * h.images.size(3)),
                      conditions.frames);
}

UnetConstants Unet::constants(const at::Tensor& context, std::int64_t frames) const {
  UnetConstants constants;
  const auto add = [&](const std::vector<Layer>& layers) {
    for (const auto& layer : layers) {
      if (layer.attention)
        constants.push_back(layer.attention->constants(context, context, frames));
    }
  };
  for (const auto& block : down_blocks_) add(block.layers);
  add(mid_);
  for (const auto& block : up_blocks_) add(block.layers);
  return constants;
}

at::Tensor Unet::embed_time(const UnetInput& input) const {
  const at::ScalarType dtype = input.sample.scalar_type();
  const std::int64_t clips = input.sample.size(0);
  const at::Tensor timestep =
      at::full({clips}, input.timestep, input.sample.options().dtype(at::kFloat));
  const at::Tensor sines = sinusoidal_embedding(timestep, base_channels()).to(dtype);  // [B, C0]
  const at::Tensor id_sines =
      sinusoidal_embedding(input.time_ids.flatten(), config_.addition_time_embed_dim)
          .to(dtype);                                                   // [B*3, A]
  const at::Tensor time = time_embedding_(sines);                       // [B, 4*C0]
  const at::Tensor added = add_embedding_(id_sines.view({clips, -1}));  // [B, 4*C0]
  if (input.observe) {
    input.observe("time_embedding", time);
    input.observe("add_embedding", added);
  }
  return time + added;
}

at::Tensor Unet::operator()(const UnetInput& input) const {
  const std::int64_t frames = input.sample.size(1);
  const Conditions conditions{
      nn::silu(embed_time(input)), input.context, input.constants, frames, !input.image_only,
      input.contexts_as_original};
  const auto observe = [&](const std::string& block, const nn::WithAddend& output) {
    if (input.observe) input.observe(block, nn::settled_copy(output));
  };
  const at::Tensor images = input.sample.flatten(0, 1).contiguous(at::MemoryFormat::ChannelsLast);

  nn::WithAddend h{conv_in_(images)};  // [B*T, C0, h, w]
  observe("conv_in", h);
  if (input.pose_features.defined()) {
    const std::int64_t count = input.pose_features.size(0);
    h.images.narrow(0, h.images.size(0) - count, count).add_(input.pose_features);
  }
  std::vector<nn::WithAddend> put_aside = {h};
  for (std::size_t i = 0; i < down_blocks_.size(); ++i) {
    const DownBlock& block = down_blocks_[i];
    for (const auto& layer : block.layers) put_aside.push_back(h = layer(h, conditions));
    if (block.downsampler) {
      put_aside.back() = {nn::settled(std::move(h))};
      put_aside.push_back(h = {(*block.downsampler)(put_aside.back().images)});
    }
    observe("down_blocks." + std::to_string(i), h);
  }
  for (const auto& layer : mid_) h = layer(h, conditions);  // [B*T, C3, h/8, w/8]
  observe("mid_block", h);
  for (std::size_t i = 0; i < up_blocks_.size(); ++i) {
    const UpBlock& block = up_blocks_[i];
    for (const auto& layer : block.layers) {
      h = layer({nn::concatenated(h, put_aside.back())}, conditions);
      put_aside.pop_back();
    }
    if (block.upsampler) h = (*block.upsampler)(nn::settled(std::move(h)));
    observe("up_blocks." + std::to_string(i), h);
  }
  return last_convolution(h, input.observe).unflatten(0, {-1, frames});  // [B, T, 4, h, w]
}

at::Tensor Unet::last_convolution(const nn::WithAddend& h, const nn::Observer& observe) const {
  if (!observe) return conv_out_(conv_norm_out_.then_silu(h));
  at::Tensor normal = conv_norm_out_(h);
  observe("conv_norm_out", normal);
  return conv_out_(nn::silu(std::move(normal)));
}

Result<UnetConfig> read_unet_config(const std::string& path) {
  constexpr std::int64_t kMaxChannels = 1 << 14;
  ASSIGN_OR_RETURN(const auto json, nn::ModelConfig::read(path));
  RETURN_IF_ERROR(json.expect("_class_name", std::string("UNetSpatioTemporalConditionModel")));
  UnetConfig config;
  ASSIGN_OR_RETURN(config.in_channels, json.integer("in_channels", 8, 8));
  ASSIGN_OR_RETURN(config.out_channels, json.integer("out_channels", 4, 4));
  ASSIGN_OR_RETURN(const auto down, json.strings("down_block_types"));
  ASSIGN_OR_RETURN(const auto up, json.strings("up_block_types"));
  const std::size_t levels = down.size();
  if (levels < 1 || levels > 8) return json.unsupported("down_block_types", "1 to 8 blocks");
  if (up.size() != levels) return json.unsupported("up_block_types", "as many as down_block_types");
  const auto read_types = [&](const char* key, const std::vector<std::string>& types,
                              const std::string& plain,
                              std::vector<bool>& has_attention) -> Status {
    has_attention.clear();
    const std::string with_attention = "CrossAttn" + plain;
    for (const auto& type : types) {
      if (type != plain && type != with_attention)
        return json.unsupported(key, fmt::format("{}, {}", plain, with_attention));
      has_attention.push_back(type != plain);
    }
    return {};
  };
  RETURN_IF_ERROR(
      read_types("down_block_types", down, "DownBlockSpatioTemporal", config.down_has_attention));
  RETURN_IF_ERROR(
      read_types("up_block_types", up, "UpBlockSpatioTemporal", config.up_has_attention));
  ASSIGN_OR_RETURN(config.block_out_channels,
                   json.integers("block_out_channels", levels, 32, kMaxChannels));
  ASSIGN_OR_RETURN(config.layers_per_block, json.integers("layers_per_block", levels, 1, 16));
  ASSIGN_OR_RETURN(config.transformer_layers_per_block,
                   json.integers("transformer_layers_per_block", levels, 1, 16));
  ASSIGN_OR_RETURN(config.num_attention_heads,
                   json.integers("num_attention_heads", levels, 1, 256));
  ASSIGN_OR_RETURN(config.cross_attention_dim,
                   json.integer("cross_attention_dim", 1, kMaxChannels));
  ASSIGN_OR_RETURN(config.addition_time_embed_dim,
                   json.integer("addition_time_embed_dim", 2, kMaxChannels));
  RETURN_IF_ERROR(json.expect(
      "projection_class_embeddings_input_dim",
      wire::Value(static_cast<std::uint64_t>(kTimeIds * config.addition_time_embed_dim))));
  for (std::size_t i = 0; i < levels; ++i) {
    if (config.block_out_channels[i] % nn::GroupNorm::kGroups != 0) {
      return json.unsupported("block_out_channels", "multiples of 32");
    }
    if (config.block_out_channels[i] % config.num_attention_heads[i] != 0) {
      return json.unsupported("num_attention_heads", "divisors of block_out_channels");
    }
  }
  return config;
}

Unet Unet::in_fp8(std::int64_t fewest_inputs) const {
  Unet unet = *this;
  const auto quantise = [&](std::vector<Layer>& layers) {
    for (Layer& layer : layers) {
      if (layer.attention) layer.attention->quantise(fewest_inputs);
    }
  };
  for (auto& block : unet.down_blocks_) quantise(block.layers);
  quantise(unet.mid_);
  for (auto& block : unet.up_blocks_) quantise(block.layers);
  return unet;
}

}  // namespace mimicfleet::svd
