#include "worker/models/nn/layers.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/silu.h>

#include "common/check.h"
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

// [N, C, H, W] in channels-last memory as [N, 1, H*W, C]; of other memory it is no view, but is not
// asked for.
at::Tensor as_lines(const at::Tensor& images) { return as_tokens(images).unsqueeze(1); }

// Both may be undefined.
at::Tensor sum_of_addends(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined()) return b;
  return b.defined() ? a + b : a;
}

bool is_channels_last(const at::Tensor& images) {
  return images.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor as_addend_of_images(const at::Tensor& addend) {
  return addend.unsqueeze(-1).unsqueeze(-1);
}

// The convolution of x, to which `bias` is yet to be added: `convolve(bias)` is one with that bias.
template <typename Convolve>
WithAddend leaving_bias(const at::Tensor& x, const at::Tensor& bias, Convolve&& convolve) {
  if (!bias.defined() || !has_gpu_kernels(x)) return {convolve(bias)};
  return {convolve(at::Tensor()), bias.unsqueeze(0)};
}

// In the memory of `out`, which may be `onto`.
WithAddend add(const at::Tensor& out, const at::Tensor& onto, const WithAddend& x, double share) {
  if (x.images.defined() && is_channels_last(out)) {
    auto sums = gpu_add_and_sum(out, onto, x.images, x.addend, share, GroupNorm::kGroups);
    if (sums) return {out, {}, *std::move(sums)};
  }
  const bool serves = is_channels_last(onto) && (!x.images.defined() || is_channels_last(x.images));
  if (x.addend.defined() && serves) {
    const at::Tensor lines = as_lines(onto);
    const at::Tensor images = x.images.defined() ? as_lines(x.images) : at::Tensor();
    if (gpu_add(as_lines(out), lines, images, x.addend.unsqueeze(1), share)) return {out};
  }
  if (!out.is_same(onto)) out.copy_(onto);
  if (x.images.defined()) out.add_(x.images, share);
  if (x.addend.defined()) out.add_(as_addend_of_images(x.addend), share);
  return {out};
}

}  // namespace

void WithAddend::add(const at::Tensor& per_image) {
  if (addend.defined()) {
    addend = addend + per_image;
  } else {
    images.add_(as_addend_of_images(per_image));
    sums = {};
  }
}

WithAddend sum(WithAddend&& x, const WithAddend& other) {
  return nn::add(x.images, x.images, {other.images, sum_of_addends(x.addend, other.addend)}, 1);
}

WithAddend add_to(const at::Tensor& onto, const WithAddend& x, double share) {
  return nn::add(onto, onto, x, share);
}

at::Tensor settled(WithAddend&& x) {
  if (!x.addend.defined()) return std::move(x.images);
  return nn::add(x.images, x.images, {at::Tensor(), x.addend}, 1).images;
}

at::Tensor settled_copy(const WithAddend& x) {
  return x.addend.defined() ? x.images + as_addend_of_images(x.addend) : x.images;
}

at::Tensor concatenated(const WithAddend& a, const WithAddend& b) {
  if (auto y = gpu_concatenate(a.images, a.addend, b.images, b.addend)) return *std::move(y);
  return at::cat({settled_copy(a), settled_copy(b)}, 1);
}

Conv2d::Conv2d(const Scope& scope, std::int64_t in, std::int64_t out, Geometry shape)
    : weight(scope.parameter("weight", {out, in, shape.kernel, shape.kernel},
                             at::MemoryFormat::ChannelsLast)),
      geometry(shape) {
  if (shape.has_bias) bias = scope.parameter("bias", {out});
}

at::Tensor Conv2d::operator()(const at::Tensor& x) const { return settled(without_bias(x)); }

WithAddend Conv2d::without_bias(const at::Tensor& x) const {
  return leaving_bias(x, bias, [&](const at::Tensor& with) {
    return at::conv2d(x, weight, with, geometry.stride, geometry.padding);
  });
}

WithAddend Conv2d::without_bias(const WithAddend& x) const {
  CHECK(geometry.kernel == 1 && geometry.padding == 0);
  WithAddend y = without_bias(x.images);
  if (x.addend.defined()) y.add(at::matmul(x.addend, weight.flatten(1).t()));
  return y;
}

TemporalConv::TemporalConv(const Scope& scope, std::int64_t in, std::int64_t out)
    : weight(scope.empty({out, in, 3, 1}, at::MemoryFormat::ChannelsLast)) {
  scope.bind("weight", weight.unsqueeze(-1));
  bias = scope.parameter("bias", {out});
}

at::Tensor TemporalConv::operator()(const at::Tensor& x, std::int64_t height) const {
  return settled(without_bias(x, height));
}

WithAddend TemporalConv::without_bias(const at::Tensor& x, std::int64_t height) const {
  const bool as_volume = has_gpu_kernels(x) && weight.size(1) % 8 == 0 && is_channels_last(x);
  return leaving_bias(x, bias, [&](const at::Tensor& with) {
    if (!as_volume)
      return at::conv2d(x, weight, with, /*stride=*/1, /*padding=*/at::IntArrayRef{1, 0});
    const at::Tensor volume = x.unflatten(3, {height, -1});  // [B, in, T, H, W]
    const std::int64_t in = weight.size(1);
    // With strides that say channels last: unsqueeze() would not.
    const at::Tensor filters =
        weight.as_strided({weight.size(0), in, 3, 1, 1}, {3 * in, 1, in, in, in});
    return at::conv3d(volume, filters, with, /*stride=*/1, /*padding=*/at::IntArrayRef{1, 0, 0})
        .flatten(3);
  });
}

GroupNorm::GroupNorm(const Scope& scope, std::int64_t channels, double epsilon)
    : weight(scope.parameter("weight", {channels})),
      bias(scope.parameter("bias", {channels})),
      eps(epsilon) {}

at::Tensor GroupNorm::operator()(const WithAddend& with_addend) const {
  const at::Tensor& images = with_addend.images;
  if (auto y = gpu_group_norm(images, with_addend.addend, kGroups, weight, bias, eps,
                              /*then_silu=*/false, with_addend.sums))
    return *std::move(y);
  const at::Tensor x = settled_copy(with_addend);
  if (x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 && is_channels_last(x)) {
    return group_norm_channels_last(x, kGroups, weight, bias, eps);
  }
  return at::group_norm(x, kGroups, weight, bias, eps);
}

at::Tensor GroupNorm::then_silu(const WithAddend& x) const {
  if (auto y = gpu_group_norm(x.images, x.addend, kGroups, weight, bias, eps, /*then_silu=*/true,
                              x.sums))
    return *std::move(y);
  return silu((*this)(x));
}

LayerNorm::LayerNorm(const Scope& scope, std::int64_t channels, double epsilon)
    : weight(scope.parameter("weight", {channels})),
      bias(scope.parameter("bias", {channels})),
      eps(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  if (auto y = gpu_layer_norm(x, {}, weight, bias, eps)) return *std::move(y);
  return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

at::Tensor silu(at::Tensor&& x) { return at::silu_(x); }

at::Tensor as_tokens(const at::Tensor& images) {
  return images.permute({0, 2, 3, 1}).flatten(1, 2);
}

at::Tensor as_images(const at::Tensor& tokens, std::int64_t height, std::int64_t width) {
  return tokens.unflatten(1, {height, width}).permute({0, 3, 1, 2});
}

}  // namespace mimicfleet::nn
