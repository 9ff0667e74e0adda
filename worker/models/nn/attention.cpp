#include "worker/models/nn/attention.h"

#include <cmath>
#include <optional>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/linear_kernels.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kFeedForwardFactor = 4;

// Heads that are wider than LibTorch's fast kernels take them (the VAE's one head has 512
// channels), image by image, so that the scores of one are in memory. x2.5 on a Hopper GPU.
at::Tensor attend_widely(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  std::vector<at::Tensor> images;
  for (std::int64_t i = 0; i < q.size(0); ++i) {
    const at::Tensor scores = at::matmul(q[i] * scale, k[i].transpose(-1, -2));  // [H, L, L]
    images.push_back(at::matmul(at::softmax(scores, -1), v[i]));                 // [H, L, D]
  }
  return at::stack(images);  // [N, H, L, D]
}

bool is_half_on_gpu(const at::Tensor& x) { return x.is_cuda() && is_half(x.scalar_type()); }

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  constexpr std::int64_t kWide = 256;
  if (is_half_on_gpu(q) && q.size(-1) > kWide) return attend_widely(q, k, v);
  return at::scaled_dot_product_attention(q, k, v);
}

// Over a few frames at each of very many positions. Of LibTorch's kernels for GPUs this one is
// twice as fast there as the others, which are made for long sequences.
at::Tensor attend_briefly(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (!is_half_on_gpu(q) || q.size(-1) % 8 != 0) return attend(q, k, v);
  return std::get<0>(at::_scaled_dot_product_efficient_attention(q, k, v,
                                                                 /*attn_bias=*/std::nullopt,
                                                                 /*compute_log_sumexp=*/false));
}

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
    if (projections_have_bias)
      (scope / name).bind("bias", projections_bias.narrow(0, first, channels));
    first += channels;
  }
}

at::Tensor SelfAttention::project(const at::Tensor& x) const {
  return linear(x, projections, projections_bias);
}

at::Tensor SelfAttention::project(const Residual& x, const LayerNorm& norm) const {
  if (!projections_fp8.defined()) return project(x.normalised(norm));
  return x.normalised_times(norm, projections_fp8, projections_bias);
}

void SelfAttention::quantise(std::int64_t fewest_inputs) {
  if (fits_fp8(projections, fewest_inputs)) projections_fp8 = quantise_rows(projections);
}

at::Tensor SelfAttention::attend_tokens(const at::Tensor& projected) const {
  const at::Tensor qkv = projected
                             .flatten(0, -3)                 // [N, L, 3C]
                             .unflatten(-1, {3, heads, -1})  // [N, L, 3, H, D]
                             .permute({2, 0, 3, 1, 4});      // [3, N, H, L, D]
  auto shape = projected.sizes().vec();
  shape.back() /= 3;
  return attend(qkv[0], qkv[1], qkv[2])  // [N, H, L, D]
      .transpose(1, 2)                   // [N, L, H, D]
      .reshape(shape);                   // [..., L, C]
}

at::Tensor SelfAttention::over_tokens(const at::Tensor& x) const {
  return to_out(attend_tokens(project(x)));
}

at::Tensor SelfAttention::attend_frames(const at::Tensor& projected) const {
  if (auto y = gpu_attend_frames(projected, heads)) return *std::move(y);
  const at::Tensor qkv = projected
                             .unflatten(-1, {3, heads, -1})  // [B, T, S, 3, H, D]
                             .permute({3, 0, 2, 4, 1, 5})    // [3, B, S, H, T, D]
                             .flatten(1, 2);                 // [3, B*S, H, T, D]
  return attend_briefly(qkv[0], qkv[1], qkv[2])              // [B*S, H, T, D]
      .transpose(1, 2)                                       // [B*S, T, H, D]
      .flatten(2)                                            // [B*S, T, C]
      .unflatten(0, {projected.size(0), -1})                 // [B, S, T, C]
      .transpose(1, 2);                                      // [B, T, S, C]
}

OneTokenAttention::OneTokenAttention(const Scope& scope, std::int64_t channels,
                                     std::int64_t context_channels)
    : to_v(scope / "to_v", context_channels, channels, /*has_bias=*/false),
      to_out(scope / kDiffusersNames.out, channels, channels) {
  (scope / "to_q").unread("weight", {channels, channels});
  (scope / "to_k").unread("weight", {channels, context_channels});
}

at::Tensor OneTokenAttention::operator()(const at::Tensor& context) const {
  return to_out(to_v(context));
}

FeedForward::FeedForward(const Scope& scope, std::int64_t channels)
    : proj(scope / "net" / 0 / "proj", channels, 2 * kFeedForwardFactor * channels),
      out(scope / "net" / 2, kFeedForwardFactor * channels, channels) {}

at::Tensor FeedForward::gated(const at::Tensor& x) const {
  const std::int64_t inner = out.weight.size(1);
  if (fuses_linear(x)) {
    const at::Tensor gate =
        linear_then_gelu(x, proj.weight.narrow(0, inner, inner), proj.bias.narrow(0, inner, inner));
    return linear_times(x, proj.weight.narrow(0, 0, inner), proj.bias.narrow(0, 0, inner), gate);
  }
  if (auto y = gpu_geglu_linear(x, proj.weight, proj.bias)) return *std::move(y);
  const at::Tensor both = proj(x);  // [..., 8C]
  if (auto y = gpu_geglu(both)) return *std::move(y);
  return at::gelu(both.narrow(-1, inner, inner)).mul_(both.narrow(-1, 0, inner));  // [..., 4C]
}

void FeedForward::add_onto(Residual& x, const LayerNorm& norm) const {
  if (!proj_fp8.defined()) return x.add(out, gated(x.normalised(norm)));
  const at::Tensor both = x.normalised_times(norm, proj_fp8, proj.bias);  // [B, T, S, 8C]
  x.add_product(multiply(geglu_quantised(both), out_fp8, {}, both.scalar_type()), out.bias);
}

void FeedForward::quantise(std::int64_t fewest_inputs) {
  if (!fits_fp8(proj.weight, fewest_inputs) || !fits_fp8(out.weight, fewest_inputs)) return;
  proj_fp8 = quantise_rows(proj.weight);
  out_fp8 = quantise_rows(out.weight);
}

}  // namespace mimicfleet::nn
