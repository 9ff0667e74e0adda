#include "worker/models/nn/attention.h"

#include <algorithm>

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kFeedForwardFactor = 4;

}  // namespace

SelfAttention::SelfAttention(const Scope& scope, std::int64_t channels, std::int64_t head_count,
                             bool projections_have_bias, const AttentionNames& names)
    : heads(head_count),
      projections(scope.empty({3 * channels, channels})),
      to_out(scope / names.out, channels, channels) {
  if (projections_have_bias) projections_bias = scope.empty({3 * channels});
  std::int64_t first = 0;
  for (const std::string_view name : {names.q, names.k, names.v}) {
    (scope / name).bind("weight", projections.narrow(0, first, channels));
    if (projections_have_bias) (scope / name).bind("bias", projections_bias.narrow(0, first, channels));
    first += channels;
  }
}

at::Tensor SelfAttention::over_tokens(const at::Tensor& x) const {
  const at::Tensor qkv = at::linear(x, projections, projections_bias)             // [N, L, 3C]
                             .unflatten(-1, {3, heads, -1})                       // [N, L, 3, H, D]
                             .permute({2, 0, 3, 1, 4});                           // [3, N, H, L, D]
  const at::Tensor y = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);  // [N, H, L, D]
  return to_out(y.transpose(1, 2).flatten(2));                                    // [N, L, C]
}

at::Tensor SelfAttention::over_frames(const at::Tensor& x) const {
  const std::int64_t batch = x.size(0);
  const at::Tensor qkv = at::linear(x, projections, projections_bias)             // [B, T, S, 3C]
                             .unflatten(-1, {3, heads, -1})                       // [B, T, S, 3, H, D]
                             .permute({3, 0, 2, 4, 1, 5})                         // [3, B, S, H, T, D]
                             .flatten(1, 2);                                      // [3, B*S, H, T, D]
  const at::Tensor y = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);  // [B*S, H, T, D]
  return to_out(y.transpose(1, 2).flatten(2))                                     // [B*S, T, C]
      .unflatten(0, {batch, -1})                                                  // [B, S, T, C]
      .transpose(1, 2);                                                           // [B, T, S, C]
}

OneTokenAttention::OneTokenAttention(const Scope& scope, std::int64_t channels, std::int64_t context_channels)
    : to_v(scope / "to_v", context_channels, channels, /*has_bias=*/false),
      to_out(scope / kDiffusersNames.out, channels, channels) {
  (scope / "to_q").unread("weight", {channels, channels});
  (scope / "to_k").unread("weight", {channels, context_channels});
}

at::Tensor OneTokenAttention::operator()(const at::Tensor& context) const { return to_out(to_v(context)); }

FeedForward::FeedForward(const Scope& scope, std::int64_t channels)
    : proj(scope / "net" / 0 / "proj", channels, 2 * kFeedForwardFactor * channels),
      out(scope / "net" / 2, kFeedForwardFactor * channels, channels) {}

at::Tensor FeedForward::operator()(const at::Tensor& x) const {
  const std::int64_t channels = x.size(-1);
  const at::Tensor rows = x.reshape({-1, channels});  // [M, C]
  at::Tensor y = at::empty_like(rows);
  const std::int64_t step = rows.size(0);
  for (std::int64_t at = 0; at < rows.size(0); at += step) {
    const std::int64_t count = std::min(step, rows.size(0) - at);
    const at::Tensor both = proj(rows.narrow(0, at, count));  // [m, 8C]
    const at::Tensor gate =
        at::gelu(both.narrow(1, kFeedForwardFactor * channels, kFeedForwardFactor * channels));
    gate.mul_(both.narrow(1, 0, kFeedForwardFactor * channels));  // [m, 4C]
    at::Tensor part = y.narrow(0, at, count);
    at::addmm_out(part, out.bias, gate, out.weight.t());  // [m, C]
  }
  return y.view_as(x);
}

}  // namespace mimicfleet::nn
