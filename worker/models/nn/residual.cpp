#include "worker/models/nn/residual.h"

#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/zeros_like.h>

#include "worker/models/nn/linear_kernels.h"

namespace mimicfleet::nn {
namespace {

at::Tensor matrix(const at::Tensor& tokens) { return tokens.reshape({-1, tokens.size(-1)}); }

// [C] as [1, 1, C].
at::Tensor at_all_places(const at::Tensor& bias) { return bias.view({1, 1, -1}); }

// Of tokens that lie in memory position by position, so does the result.
at::Tensor in_order_of_memory(const Linear& linear, const at::Tensor& x) {
  const at::Tensor turned = x.transpose(1, 2);
  return !x.is_contiguous() && turned.is_contiguous() ? linear(turned).transpose(1, 2) : linear(x);
}

}  // namespace

Residual::Residual(at::Tensor tokens, at::Tensor addend, bool waits, bool owns)
    : tokens_(std::move(tokens)), addend_(std::move(addend)), waits_(waits), owns_(owns) {}

Residual::Residual(const Linear& linear, const at::Tensor& x) : waits_(has_gpu_kernels(x)) {
  if (waits_) {
    tokens_ = nn::linear(x, linear.weight, {});
    if (linear.bias.defined()) addend_ = at_all_places(linear.bias);
  } else {
    tokens_ = linear(x);
  }
}

Residual Residual::plus(const at::Tensor& constant) const {
  if (!waits_) return {tokens_ + constant, {}, waits_, /*owns=*/true};
  Residual other(tokens_, addend_, waits_, /*owns=*/false);
  other.add_constant(constant);
  return other;
}

void Residual::own() {
  if (!std::exchange(owns_, true)) tokens_ = tokens_.clone();
}

void Residual::add(const Linear& linear, const at::Tensor& x) {
  if (!waits_) {
    tokens_.add_(in_order_of_memory(linear, x));
    return;
  }
  if (owns_) {
    tokens_.view({-1, tokens_.size(-1)}).addmm_(matrix(x), linear.weight.t());
  } else {
    tokens_ = at::addmm(matrix(tokens_), matrix(x), linear.weight.t()).view(tokens_.sizes());
    owns_ = true;
  }
  if (linear.bias.defined()) add_constant(linear.bias.view({1, 1, 1, -1}));
}

void Residual::add_constant(const at::Tensor& constant) {
  if (!waits_ || constant.size(2) != 1) {
    own();
    tokens_.add_(constant);
    return;
  }
  const at::Tensor more = constant.squeeze(2);
  addend_ = addend_.defined() ? addend_ + more : more.contiguous();
}

void Residual::mix(const Residual& other, double share) {
  own();
  tokens_.lerp_(other.tokens_, share);
  if (!addend_.defined() && !other.addend_.defined()) return;
  const at::Tensor mine = addend_.defined() ? addend_ : at::zeros_like(other.addend_);
  const at::Tensor its = other.addend_.defined() ? other.addend_ : at::zeros_like(mine);
  addend_ = at::lerp(mine, its, share);
}

at::Tensor Residual::normalised(const LayerNorm& norm) const {
  if (auto y = gpu_layer_norm(tokens_, addend_, norm.weight, norm.bias, norm.eps))
    return *std::move(y);
  return norm(addend_.defined() ? tokens_ + addend_.unsqueeze(2) : tokens_);
}

at::Tensor Residual::normalised_times(const LayerNorm& norm, const QuantisedRows& weight,
                                      const at::Tensor& bias) const {
  const QuantisedRows rows =
      layer_norm_quantised(tokens_, addend_, norm.weight, norm.bias, norm.eps);
  return multiply(rows, weight, bias, tokens_.scalar_type())
      .view({tokens_.size(0), tokens_.size(1), tokens_.size(2), -1});
}

void Residual::add_product(const at::Tensor& product, const at::Tensor& bias) {
  if (owns_) {
    tokens_.add_(product.view(tokens_.sizes()));
  } else {
    tokens_ = tokens_ + product.view(tokens_.sizes());
    owns_ = true;
  }
  if (bias.defined()) add_constant(bias.view({1, 1, 1, -1}));
}

WithAddend Residual::added_onto(const at::Tensor& images, const Linear& linear) const {
  if (!waits_ || !images.is_contiguous(at::MemoryFormat::ChannelsLast)) {
    const at::Tensor all = addend_.defined() ? tokens_ + addend_.unsqueeze(2) : tokens_;
    return {as_images(linear(all).flatten(0, 1), images.size(2), images.size(3)).add_(images)};
  }
  as_tokens(images).flatten(0, 1).addmm_(matrix(tokens_), linear.weight.t());
  if (!addend_.defined())
    return {images, linear.bias.defined() ? linear.bias.unsqueeze(0) : at::Tensor()};
  const at::Tensor of_frames = addend_.expand({tokens_.size(0), tokens_.size(1), addend_.size(2)})
                                   .flatten(0, 1);  // [B*T, C]
  return {images, linear(of_frames)};
}

}  // namespace mimicfleet::nn
