#include "worker/models/svd/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/lerp.h>

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

at::Tensor SpatialTransformerBlock::operator()(const at::Tensor& x, const at::Tensor& context) const {
  const at::Tensor attended = attn1.over_tokens(norm1(x).flatten(0, 1)).view_as(x);  // [B, T, S, C]
  nn::add_to_tokens(x, attended, attn2(context).unsqueeze(1));                       // + [B, 1, 1, C]
  return x.add_(ff(norm3(x)));                                                       // [B, T, S, C]
}

TemporalTransformerBlock::TemporalTransformerBlock(const nn::Scope& scope, std::int64_t channels,
                                                   std::int64_t heads, std::int64_t context_channels)
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

at::Tensor TemporalTransformerBlock::operator()(const at::Tensor& x, const at::Tensor& context) const {
  x.add_(ff_in(norm_in(x)));                                                       // [B, T, S, C]
  nn::add_to_tokens(x, attn1.over_frames(norm1(x)), attn2(context).unsqueeze(1));  // + [B, 1, 1 or S, C]
  return x.add_(ff(norm3(x)));                                                     // [B, T, S, C]
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

at::Tensor SpatioTemporalTransformer::operator()(const at::Tensor& x, const at::Tensor& context,
                                                 const at::Tensor& time_context, std::int64_t frames) const {
  at::Tensor h = proj_in(nn::as_tokens(norm(x))).unflatten(0, {-1, frames});                   // [B, T, S, C]
  const at::Tensor frame_index = at::arange(frames, x.options().dtype(at::kLong));             // [T]
  const at::Tensor sines = sinusoidal_embedding(frame_index, h.size(-1)).to(h.scalar_type());  // [T, C]
  const at::Tensor position = time_pos_embed(sines).unsqueeze(1).unsqueeze(0);                 // [1, T, 1, C]
  for (std::size_t i = 0; i < transformer_blocks.size(); ++i) {
    h = transformer_blocks[i](h, context);  // [B, T, S, C]
    if (!time_context.defined()) continue;
    const at::Tensor mixed =
        temporal_transformer_blocks[i](nn::add_constant(h, position), time_context);  // [B, T, S, C]
    h.lerp_(mixed, time_mixer.temporal_share());
  }
  return nn::as_images(proj_out(h).flatten(0, 1), x.size(2), x.size(3)).add_(x);  // [B*T, C, H, W]
}

}  // namespace mimicfleet::svd
