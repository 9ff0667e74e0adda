#include "worker/models/nn/layers.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/zeros.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/group_norm.h"
#include "worker/models/nn/linear_kernels.h"

namespace mimicfleet::nn {

Linear::Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool has_bias)
    : weight(scope.parameter("weight", {out, in})) {
  if (has_bias) bias = scope.parameter("bias", {out});
}

at::Tensor Linear::operator()(const at::Tensor& x) const { return linear(x, weight, bias); }

namespace {

// [N, C, H, W] in channels-last memory as [N, 1, H*W, C]; of other memory it is no view, but is not asked
// for.
at::Tensor as_lines(const at::Tensor& images) { return as_tokens(images).unsqueeze(1); }

// Both may be undefined.
at::Tensor sum_of_addends(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined()) return b;
  return b.defined() ? a + b : a;
}

bool is_channels_last(const at::Tensor& images) {
  return images.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor as_addend_of_images(const at::Tensor& addend) { return addend.unsqueeze(-1).unsqueeze(-1); }

// The convolution of x, to which `bias` is yet to be added: `convolve(bias)` is one with that bias.
template <typename Convolve>
WithAddend leaving_bias(const at::Tensor& x, const at::Tensor& bias, Convolve&& convolve) {
  if (!bias.defined() || !has_gpu_kernels(x)) return {convolve(bias), {}};
  return {convolve(at::Tensor()), bias.unsqueeze(0)};
}

at::Tensor adding_bias(WithAddend&& x) {
  if (x.addend.defined()) add_to(x.images, {at::Tensor(), x.addend}, 1);
  return std::move(x.images);
}

}  // namespace

void WithAddend::add(const at::Tensor& per_image) {
  if (addend.defined()) {
    addend = addend + per_image;
  } else {
    images.add_(as_addend_of_images(per_image));
  }
}

at::Tensor sum(WithAddend&& x, const WithAddend& other) {
  add_to(x.images, {other.images, sum_of_addends(x.addend, other.addend)}, 1);
  return std::move(x.images);
}

void add_to(const at::Tensor& onto, const WithAddend& x, double share) {
  const bool serves = is_channels_last(onto) && (!x.images.defined() || is_channels_last(x.images));
  if (x.addend.defined() && serves) {
    const at::Tensor lines = as_lines(onto);
    const at::Tensor images = x.images.defined() ? as_lines(x.images) : at::Tensor();
    if (gpu_add(lines, lines, images, x.addend.unsqueeze(1), share)) return;
  }
  if (x.images.defined()) onto.add_(x.images, share);
  if (x.addend.defined()) onto.add_(as_addend_of_images(x.addend), share);
}

void add_to_tokens(const at::Tensor& x, const at::Tensor& y, const at::Tensor& constant) {
  if (constant.size(2) == 1 && gpu_add(x, x, y, constant.squeeze(2))) return;
  x.add_(y);
  x.add_(constant);
}

at::Tensor add_constant(const at::Tensor& x, const at::Tensor& constant) {
  if (!has_gpu_kernels(x)) return x + constant;
  at::Tensor y = at::empty_like(x);
  return gpu_add(y, x, at::Tensor(), constant.squeeze(2)) ? y : x + constant;
}

Conv2d::Conv2d(const Scope& scope, std::int64_t in, std::int64_t out, Geometry shape)
    : weight(
          scope.parameter("weight", {out, in, shape.kernel, shape.kernel}, at::MemoryFormat::ChannelsLast)),
      geometry(shape) {
  if (shape.has_bias) bias = scope.parameter("bias", {out});
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const { return adding_bias(without_bias(x)); }

WithAddend Conv2d::without_bias(const at::Tensor& x) const {
  return leaving_bias(x, bias, [&](const at::Tensor& with) {
    return at::conv2d(x, weight, with, geometry.stride, geometry.padding);
  });
}

namespace {

bool pays_in_pairs(const at::Tensor& x, const at::Tensor& weight) {
  constexpr std::int64_t kFewChannels = 128;
  return has_gpu_kernels(x) && weight.size(0) == weight.size(1) && weight.size(0) % 8 == 0 &&
         weight.size(0) <= kFewChannels && x.size(3) % 2 == 0 && is_channels_last(x);
}

// Two neighbouring positions as one of twice the channels, with 0 for the weights between the two: of few
// channels cuDNN's kernels along time are slower on a Hopper GPU than of twice as many.
at::Tensor convolve_pairs(const at::Tensor& x, const at::Tensor& weight) {
  const std::int64_t channels = weight.size(0);
  const at::Tensor both = at::zeros({2 * channels, 2 * channels, weight.size(2), 1}, weight.options())
                              .contiguous(at::MemoryFormat::ChannelsLast);
  for (const std::int64_t first : {std::int64_t{0}, channels}) {
    both.narrow(0, first, channels).narrow(1, first, channels).copy_(weight);
  }
  const auto of_channels = [](const at::Tensor& images, std::int64_t count) {
    const at::Tensor lines = images.permute({0, 2, 3, 1});  // [B, T, S, C]
    return lines.reshape({lines.size(0), lines.size(1), -1, count}).permute({0, 3, 1, 2});
  };
  const at::Tensor y =
      at::conv2d(of_channels(x, 2 * channels), both, {}, /*stride=*/1, /*padding=*/at::IntArrayRef{1, 0});
  return of_channels(y, channels);
}

}  // namespace

TemporalConv::TemporalConv(const Scope& scope, std::int64_t in, std::int64_t out)
    : weight(scope.empty({out, in, 3, 1}, at::MemoryFormat::ChannelsLast)) {
  scope.bind("weight", weight.unsqueeze(-1));
  bias = scope.parameter("bias", {out});
}

at::Tensor TemporalConv::operator()(const at::Tensor& x) const { return adding_bias(without_bias(x)); }

WithAddend TemporalConv::without_bias(const at::Tensor& x) const {
  if (pays_in_pairs(x, weight)) return {convolve_pairs(x, weight), bias.unsqueeze(0)};
  return leaving_bias(x, bias, [&](const at::Tensor& with) {
    return at::conv2d(x, weight, with, /*stride=*/1, /*padding=*/at::IntArrayRef{1, 0});
  });
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
  if (auto y = gpu_group_norm(x, {}, kGroups, weight, bias, eps, /*then_silu=*/false)) return *std::move(y);
  return at::group_norm(x, kGroups, weight, bias, eps);
}

at::Tensor GroupNorm::then_silu(const at::Tensor& x) const {
  if (auto y = gpu_group_norm(x, {}, kGroups, weight, bias, eps, /*then_silu=*/true)) return *std::move(y);
  return silu((*this)(x));
}

at::Tensor GroupNorm::then_silu(WithAddend&& x) const {
  if (!x.addend.defined()) return then_silu(x.images);
  if (auto y = gpu_group_norm(x.images, x.addend, kGroups, weight, bias, eps, /*then_silu=*/true))
    return *std::move(y);
  x.images.add_(as_addend_of_images(x.addend));
  return then_silu(x.images);
}

LayerNorm::LayerNorm(const Scope& scope, std::int64_t channels, double epsilon)
    : weight(scope.parameter("weight", {channels})),
      bias(scope.parameter("bias", {channels})),
      eps(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  if (auto y = gpu_layer_norm(x, weight, bias, eps)) return *std::move(y);
  return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

at::Tensor silu(at::Tensor&& x) { return at::silu_(x); }

at::Tensor as_tokens(const at::Tensor& images) { return images.permute({0, 2, 3, 1}).flatten(1, 2); }

at::Tensor as_images(const at::Tensor& tokens, std::int64_t height, std::int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

}  // namespace mimicfleet::nn
