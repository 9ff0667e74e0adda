#include "worker/models/svd/embedding.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/sin.h>

namespace mimicfleet::svd {

at::Tensor sinusoidal_embedding(const at::Tensor& numbers, std::int64_t channels) {
  const std::int64_t half = channels / 2;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(numbers.device());
  const at::Tensor frequencies =
      (at::arange(half, options) * -std::log(10000.0) / half).exp();            // [half]
  const at::Tensor angles = numbers.to(at::kFloat).unsqueeze(1) * frequencies;  // [N, half]
  return at::cat({angles.cos(), angles.sin()}, 1);                              // [N, channels]
}

TimestepEmbedding::TimestepEmbedding(const nn::Scope& scope, std::int64_t in, std::int64_t hidden,
                                     std::int64_t out)
    : linear_1(scope / "linear_1", in, hidden), linear_2(scope / "linear_2", hidden, out) {}

at::Tensor TimestepEmbedding::operator()(const at::Tensor& x) const {
  return linear_2(nn::silu(linear_1(x)));
}

}  // namespace mimicfleet::svd
