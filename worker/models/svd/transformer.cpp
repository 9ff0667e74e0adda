#include "worker/models/svd/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

namespace mimicfleet::svd {

SpatialTransformerBlock::SpatialTransformerBlock(const nn::Scope& scope, std::int64_t channels,
                                                 std::int64_t heads, std::int64_t context_channels)
    : norm1(scope / "norm1", channels),
      attn1(scope / "attn1", channels, heads),
      attn2(scope / "attn2", channels, context_channels),
      norm3(scope / "norm3", channels),
      ff(scope / "ff", channels) {
  (scope / "norm2").unread("weight", {channels});  // it feeds only attn2's queries
  (scope / "norm2").unread("bias", {channels});
}

void SpatialTransformerBlock::operator()(nn::Residual& x, const at::Tensor& attended) const {
  x.add(attn1.to_out, attn1.attend_tokens(attn1.project(x, norm1)));  // [B, T, S, C]
  x.add_constant(attended);
  ff.add_onto(x, norm3);
}

TemporalTransformerBlock::TemporalTransformerBlock(const nn::Scope& scope, std::int64_t channels,
                                                   std::int64_t heads,
                                                   std::int64_t context_channels)
    : norm_in(scope / "norm_in", channels),
      ff_in(scope / "ff_in", channels),
      norm1(scope / "norm1", channels),
      attn1(scope / "attn1", channels, heads),
      attn2(scope / "attn2", channels, context_channels),
      norm3(scope / "norm3", channels),
      ff(scope / "ff", channels) {
  (scope / "norm2").unread("weight", {channels});
  (scope / "norm2").unread("bias", {channels});
}

void TemporalTransformerBlock::operator()(nn::Residual& x, const at::Tensor& attended) const {
  ff_in.add_onto(x, norm_in);
  x.add(attn1.to_out, attn1.attend_frames(attn1.project(x, norm1)));
  x.add_constant(attended);
  ff.add_onto(x, norm3);
}

SpatioTemporalTransformer::SpatioTemporalTransformer(const nn::Scope& scope, std::int64_t channels,
                                                     const Options& options)
    : norm(scope / "norm", channels, 1e-6),
      proj_in(scope / "proj_in", channels, channels),
      time_pos_embed(scope / "time_pos_embed", channels, 4 * channels, channels),
      time_mixer(scope / "time_mixer", MixFactorOf::kSpatial),
      proj_out(scope / "proj_out", channels, channels) {
  for (int i = 0; i < options.layers; ++i) {
    transformer_blocks.emplace_back(scope / "transformer_blocks" / i, channels, options.heads,
                                    options.context_channels);
    temporal_transformer_blocks.emplace_back(scope / "temporal_transformer_blocks" / i, channels,
                                             options.heads, options.context_channels);
  }
}

void SpatioTemporalTransformer::quantise(std::int64_t fewest_inputs) {
  for (auto& block : transformer_blocks) {
    block.attn1.quantise(fewest_inputs);
    block.ff.quantise(fewest_inputs);
  }
  for (auto& block : temporal_transformer_blocks) {
    block.ff_in.quantise(fewest_inputs);
    block.attn1.quantise(fewest_inputs);
    block.ff.quantise(fewest_inputs);
  }
}

SpatioTemporalTransformer::Constants SpatioTemporalTransformer::constants(
    const at::Tensor& context, const at::Tensor& time_context, std::int64_t frames) const {
  const at::Tensor frame_index = at::arange(frames, context.options().dtype(at::kLong));  // [T]
  const at::Tensor sines = sinusoidal_embedding(frame_index, proj_in.weight.size(0))
                               .to(context.scalar_type());  // [T, C]
  Constants constants;
  constants.position = time_pos_embed(sines).unsqueeze(1).unsqueeze(0);  // [1, T, 1, C]
  for (const auto& block : transformer_blocks)
    constants.attended.push_back(block.attn2(context).unsqueeze(1));  // [B, 1, 1, C]
  if (!time_context.defined()) return constants;
  for (const auto& block : temporal_transformer_blocks)
    constants.attended_in_time.push_back(
        block.attn2(time_context).unsqueeze(1));  // [B, 1, 1 or S, C]
  return constants;
}

nn::WithAddend SpatioTemporalTransformer::operator()(const nn::WithAddend& x,
                                                     const Constants& constants,
                                                     std::int64_t frames) const {
  nn::Residual h(proj_in, nn::as_tokens(norm(x)).unflatten(0, {-1, frames}));  // [B, T, S, C]
  for (std::size_t i = 0; i < transformer_blocks.size(); ++i) {
    transformer_blocks[i](h, constants.attended[i]);
    if (constants.attended_in_time.empty()) continue;
    nn::Residual mixed = h.plus(constants.position);
    temporal_transformer_blocks[i](mixed, constants.attended_in_time[i]);
    h.mix(mixed, time_mixer.temporal_share());
  }
  return h.added_onto(nn::settled_copy(x), proj_out);  // [B*T, C, H, W]
}

}  // namespace mimicfleet::svd
