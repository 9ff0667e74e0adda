#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/layers.h"
#include "worker/models/nn/scope.h"

namespace mimicfleet::svd {

// Cosines, then sines, of each number times frequencies from 1 down to 1/10000.
// (diffusers v0.27.0, models/embeddings.py: get_timestep_embedding with flip_sin_to_cos and no
// shift) numbers: [N] of any type; returns [N, channels] float32; channels is even.
[[nodiscard]] at::Tensor sinusoidal_embedding(const at::Tensor& numbers, std::int64_t channels);

// Two linear layers with SiLU between them.
struct TimestepEmbedding {
  TimestepEmbedding(const nn::Scope& scope, std::int64_t in, std::int64_t hidden, std::int64_t out);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [N, in] -> [N, out]

  nn::Linear linear_1;
  nn::Linear linear_2;
};

}  // namespace mimicfleet::svd
