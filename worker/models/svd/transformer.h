#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/attention.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/residual.h"
#include "worker/models/nn/scope.h"
#include "worker/models/svd/embedding.h"
#include "worker/models/svd/resnet.h"

// diffusers v0.27.0, models/transformers/transformer_temporal.py: TransformerSpatioTemporalModel,
// and the blocks of models/attention.py that it uses. The context is one token a clip: [B, 1, X].
namespace mimicfleet::svd {

// Attention among the positions of each image. Like the next one it adds to x.
struct SpatialTransformerBlock {
  SpatialTransformerBlock(const nn::Scope& scope, std::int64_t channels, std::int64_t heads,
                          std::int64_t context_channels);

  // x: [B, T, S, C]; attended: what attn2 gives, [B, 1, 1, C].
  void operator()(nn::Residual& x, const at::Tensor& attended) const;

  nn::LayerNorm norm1;
  nn::SelfAttention attn1;
  nn::OneTokenAttention attn2;
  nn::LayerNorm norm3;
  nn::FeedForward ff;
};

// Attention among the frames at each position.
struct TemporalTransformerBlock {
  TemporalTransformerBlock(const nn::Scope& scope, std::int64_t channels, std::int64_t heads,
                           std::int64_t context_channels);

  // x: [B, T, S, C]; attended: what attn2 gives, [B, 1, 1 or S, C].
  void operator()(nn::Residual& x, const at::Tensor& attended) const;

  nn::LayerNorm norm_in;
  nn::FeedForward ff_in;
  nn::LayerNorm norm1;
  nn::SelfAttention attn1;
  nn::OneTokenAttention attn2;
  nn::LayerNorm norm3;
  nn::FeedForward ff;
};

struct SpatioTemporalTransformer {
  struct Options {
    std::int64_t heads = 1;
    std::int64_t layers = 1;
    std::int64_t context_channels = 1024;
  };
  SpatioTemporalTransformer(const nn::Scope& scope, std::int64_t channels, const Options& options);

  // What does not depend on the images: the same in all steps of a clip.
  struct Constants {
    at::Tensor position;               // [1, T, 1, C] embedding of the frames' numbers
    std::vector<at::Tensor> attended;  // of each spatial block: [B, 1, 1, C]
    std::vector<at::Tensor>
        attended_in_time;  // of each temporal block: [B, 1, 1 or S, C]; empty: they are left out
  };
  // context: [B, 1, X] for the images, [B, 1 or H*W, X] for each position along time. An undefined
  // time context leaves the temporal blocks out.
  [[nodiscard]] Constants constants(const at::Tensor& context, const at::Tensor& time_context,
                                    std::int64_t frames) const;

  // x: [B*T, C, H, W]. The result may take the memory of x.
  [[nodiscard]] nn::WithAddend operator()(const nn::WithAddend& x, const Constants& constants,
                                          std::int64_t frames) const;

  // As nn::SelfAttention::quantise(), of all its blocks.
  void quantise(std::int64_t fewest_inputs);

  nn::GroupNorm norm;
  nn::Linear proj_in;
  std::vector<SpatialTransformerBlock> transformer_blocks;
  std::vector<TemporalTransformerBlock> temporal_transformer_blocks;
  TimestepEmbedding time_pos_embed;
  TimeMixer time_mixer;
  nn::Linear proj_out;
};

}  // namespace mimicfleet::svd
