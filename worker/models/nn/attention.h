#pragma once

#include <cstdint>
#include <string_view>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/fp8.h"
#include "worker/models/nn/layers.h"
#include "worker/models/nn/residual.h"
#include "worker/models/nn/scope.h"

namespace mimicfleet::nn {

// What the four projections are called in checkpoints.
struct AttentionNames {
  std::string_view q, k, v, out;
};
inline constexpr AttentionNames kDiffusersNames = {"to_q", "to_k", "to_v", "to_out.0"};
inline constexpr AttentionNames kTransformersNames = {"q_proj", "k_proj", "v_proj", "out_proj"};

// Multi-head attention of a sequence to itself. Queries, keys and values are projected by one
// matrix, so that one product computes them.
struct SelfAttention {
  SelfAttention(const Scope& scope, std::int64_t channels, std::int64_t heads,
                bool projections_have_bias = false, const AttentionNames& names = kDiffusersNames);

  [[nodiscard]] at::Tensor over_tokens(const at::Tensor& x) const;  // [N, L, C], along L

  [[nodiscard]] at::Tensor project(const at::Tensor& x) const;  // [..., C] -> [..., 3C]
  // The same of the norm of a sum [B, T, S, C]; in 8 bits if quantise() made it so.
  [[nodiscard]] at::Tensor project(const Residual& x, const LayerNorm& norm) const;
  // Of these projections what to_out takes.
  [[nodiscard]] at::Tensor attend_tokens(
      const at::Tensor& qkv) const;  // [..., L, 3C] -> [..., L, C], along L
  [[nodiscard]] at::Tensor attend_frames(
      const at::Tensor& qkv) const;  // [B, T, S, 3C] -> [B, T, S, C], along T

  // From now on the projections of sums are products in 8 bits (fp8.h), if they have at least
  // `fewest_inputs`.
  void quantise(std::int64_t fewest_inputs);

  std::int64_t heads;
  at::Tensor projections;       // [3C, C]: queries, keys, values
  at::Tensor projections_bias;  // [3C] or undefined
  QuantisedRows projections_fp8;
  Linear to_out;
};

// Attention to a context of one token: its softmax over one key is 1 whatever the query, so what
// remains is the context's value for everybody. Queries, keys and the norm before them have no
// effect.
struct OneTokenAttention {
  OneTokenAttention(const Scope& scope, std::int64_t channels, std::int64_t context_channels);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& context) const;  // [B, 1, X] -> [B, 1, C]

  Linear to_v;
  Linear to_out;
};

// GEGLU feed-forward: linear to twice the inner width, one half gates the other, linear back.
struct FeedForward {
  FeedForward(const Scope& scope, std::int64_t channels);

  [[nodiscard]] at::Tensor gated(
      const at::Tensor& x) const;  // [..., C] -> [..., 4C], which `out` takes

  // x + this layer of norm(x); in 8 bits if quantise() made it so.
  void add_onto(Residual& x, const LayerNorm& norm) const;

  // As SelfAttention::quantise().
  void quantise(std::int64_t fewest_inputs);

  Linear proj;  // C -> 2 * 4C
  Linear out;   // 4C -> C
  QuantisedRows proj_fp8;
  QuantisedRows out_fp8;
};

}  // namespace mimicfleet::nn
