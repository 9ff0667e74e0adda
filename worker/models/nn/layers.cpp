#include "worker/models/nn/layers.h"

#include <utility>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/group_norm.h"
#include "worker/models/nn/linear_kernels.h"

namespace mimicfleet::nn {

Linear::Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool has_bias)
    : weight(scope.parameter("weight", {out, in})) {
  if (has_bias) bias = scope.parameter("bias", {out});
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return linear(x, weight, bias); }

Conv2d::Conv2d(const Scope& scope, std::int64_t in, std::int64_t out, Geometry shape)
    : weight(
          scope.parameter("weight", {out, in, shape.kernel, shape.kernel}, at::MemoryFormat::ChannelsLast)),
      geometry(shape) {
  if (shape.has_bias) bias = scope.parameter("bias", {out});
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight, bias, geometry.stride, geometry.padding);
}

TemporalConv::TemporalConv(const Scope& scope, std::int64_t in, std::int64_t out)
    : weight(scope.empty({out, in, 3, 1}, at::MemoryFormat::ChannelsLast)) {
  scope.bind("weight", weight.unsqueeze(-1));
  bias = scope.parameter("bias", {out});
}

at::Tensor TemporalConv::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight, bias, /*stride=*/1, /*padding=*/at::IntArrayRef{1, 0});
}

GroupNorm::GroupNorm(const Scope& scope, std::int64_t channels, double epsilon)
    : weight(scope.parameter("weight", {channels})),
      bias(scope.parameter("bias", {channels})),
      eps(epsilon) {}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  if (x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 &&
      x.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    return group_norm_channels_last(x, kGroups, weight, bias, eps);
  }
  if (auto y = gpu_group_norm(x, kGroups, weight, bias, eps, /*then_silu=*/false)) return *std::move(y);
  return at::group_norm(x, kGroups, weight, bias, eps);
}

at::Tensor GroupNorm::then_silu(const at::Tensor& x) const {
  if (auto y = gpu_group_norm(x, kGroups, weight, bias, eps, /*then_silu=*/true)) return *std::move(y);
  return silu((*this)(x));
}

LayerNorm::LayerNorm(const Scope& scope, std::int64_t channels, double epsilon)
    : weight(scope.parameter("weight", {channels})),
      bias(scope.parameter("bias", {channels})),
      eps(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

at::Tensor silu(at::Tensor&& x) { return at::silu_(x); }

at::Tensor as_tokens(const at::Tensor& images) { return images.permute({0, 2, 3, 1}).flatten(1, 2); }

at::Tensor as_images(const at::Tensor& tokens, std::int64_t height, std::int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

}  // namespace mimicfleet::nn
