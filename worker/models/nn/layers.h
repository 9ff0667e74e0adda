#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/scope.h"

// The layers of which the models are made, named and keyed as PyTorch's. Images are [N, C, H, W] in
// channels-last memory, so that tokens [N, H*W, C] are a view of them. Layers only read their parameters.
namespace mimicfleet::nn {

struct Linear {
  Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool has_bias = true);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]

  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out] or undefined
};

struct Conv2d {
  struct Geometry {
    std::int64_t kernel = 3;
    std::int64_t stride = 1;
    std::int64_t padding = 1;
    bool has_bias = true;
  };
  Conv2d(const Scope& scope, std::int64_t in, std::int64_t out, Geometry geometry = {3, 1, 1, true});

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [N, in, H, W] -> [N, out, H', W']

  at::Tensor weight;
  at::Tensor bias;
  Geometry geometry;
};

// A Conv3d of kernel (3, 1, 1) and padding (1, 0, 0): it mixes frames and nothing else. Frames and positions
// are the two dimensions of a 2-D convolution then.
struct TemporalConv {
  TemporalConv(const Scope& scope, std::int64_t in, std::int64_t out);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [B, in, T, S] -> [B, out, T, S]

  at::Tensor weight;  // [out, in, 3, 1]; [out, in, 3, 1, 1] in the checkpoint
  at::Tensor bias;
};

struct GroupNorm {
  GroupNorm(const Scope& scope, std::int64_t channels, double eps);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [N, C, ...]
  [[nodiscard]] at::Tensor then_silu(const at::Tensor& x) const;   // silu of that

  static constexpr std::int64_t kGroups = 32;
  at::Tensor weight;
  at::Tensor bias;
  double eps;
};

struct LayerNorm {
  LayerNorm(const Scope& scope, std::int64_t channels, double eps = 1e-5);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [..., C]

  at::Tensor weight;
  at::Tensor bias;
  double eps;
};

// Sees what the blocks of a model give, by their names in checkpoints, while they run; for comparisons with
// the original. The memory may be overwritten after the call.
using Observer = std::function<void(const std::string& block, const at::Tensor& output)>;

// x * sigmoid(x), in the memory of x, which the caller gives up.
[[nodiscard]] at::Tensor silu(at::Tensor&& x);

// Views of one memory: images [N, C, H, W] (channels last) as tokens [N, H*W, C], and back.
[[nodiscard]] at::Tensor as_tokens(const at::Tensor& images);
[[nodiscard]] at::Tensor as_images(const at::Tensor& tokens, std::int64_t height, std::int64_t width);

}  // namespace mimicfleet::nn
