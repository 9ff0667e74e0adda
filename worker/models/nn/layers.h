#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/derived.h"
#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/scope.h"

// The layers of which the models are made, named and keyed as PyTorch's. Images are [N, C, H, W] in
// channels-last memory, so that tokens [N, H*W, C] are a view of them. Layers only read their
// parameters.
namespace mimicfleet::nn {

struct Linear {
  Linear(const Scope& scope, std::int64_t in, std::int64_t out, bool has_bias = true);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]

  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out] or undefined
};

// Images [N, C, H, W] and what is still to be added to all positions of them: [N or 1, C], or
// undefined. On a GPU that is left to what reads the images anyway; elsewhere it is added at once
// and undefined. Where the images were just written by a kernel of ours, `sums` save the norm after
// it a pass over them.
struct WithAddend {
  at::Tensor images;
  at::Tensor addend{};
  GroupSums sums{};  // of the images, while there is no addend

  void add(const at::Tensor& per_image);  // [N, C]
};

// x + other, in the memory of x; nothing is left to be added.
[[nodiscard]] WithAddend sum(WithAddend&& x, const WithAddend& other);

// onto + share * x, in the memory of `onto`; nothing is left to be added.
[[nodiscard]] WithAddend add_to(const at::Tensor& onto, const WithAddend& x, double share);

// The images with what was to be added: in their memory, or in memory of its own.
[[nodiscard]] at::Tensor settled(WithAddend&& x);
[[nodiscard]] at::Tensor settled_copy(const WithAddend& x);

// The channels of both behind each other.
[[nodiscard]] at::Tensor concatenated(const WithAddend& a, const WithAddend& b);

struct Conv2d {
  struct Geometry {
    std::int64_t kernel = 3;
    std::int64_t stride = 1;
    std::int64_t padding = 1;
    bool has_bias = true;
  };
  Conv2d(const Scope& scope, std::int64_t in, std::int64_t out,
         Geometry geometry = {3, 1, 1, true});

  [[nodiscard]] at::Tensor operator()(
      const at::Tensor& x) const;  // [N, in, H, W] -> [N, out, H', W']
  [[nodiscard]] WithAddend without_bias(const at::Tensor& x) const;
  // The same of a kernel of 1x1, which what is to be added to x goes through as well.
  [[nodiscard]] WithAddend without_bias(const WithAddend& x) const;

  at::Tensor weight;
  at::Tensor bias;
  Geometry geometry;
};

// Nearest-neighbour upsampling by two, and a convolution of 3x3 after it. In half precision on a
// GPU both are one transposed convolution of 4x4: of the nine weights those that meet the same
// pixel are summed, which leaves four of nine products.
struct UpsamplingConv {
  UpsamplingConv(const Scope& scope, std::int64_t channels);

  [[nodiscard]] WithAddend without_bias(
      const at::Tensor& x) const;  // [N, C, H, W] -> [N, C, 2H, 2W]

  Conv2d conv;

 private:
  Derived transposed_;  // [C, C, 4, 4]
};

// A Conv3d of kernel (3, 1, 1) and padding (1, 0, 0): it mixes frames and nothing else. Frames and
// positions are the two dimensions of a 2-D convolution then, except in half precision on a GPU,
// where cuDNN's kernels for three dimensions are up to 2.8 times as fast.
struct TemporalConv {
  TemporalConv(const Scope& scope, std::int64_t in, std::int64_t out);

  // x: [B, in, T, S] -> [B, out, T, S]; S = `height` * width.
  [[nodiscard]] at::Tensor operator()(const at::Tensor& x, std::int64_t height) const;
  [[nodiscard]] WithAddend without_bias(const at::Tensor& x, std::int64_t height) const;

  at::Tensor weight;  // [out, in, 3, 1]; [out, in, 3, 1, 1] in the checkpoint
  at::Tensor bias;
};

struct GroupNorm {
  GroupNorm(const Scope& scope, std::int64_t channels, double eps);

  [[nodiscard]] at::Tensor operator()(const WithAddend& x) const;  // [N, C, ...]
  [[nodiscard]] at::Tensor then_silu(const WithAddend& x) const;   // silu of that

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

// Sees what the blocks of a model give, by their names in checkpoints, while they run; for
// comparisons with the original. The memory may be overwritten after the call.
using Observer = std::function<void(const std::string& block, const at::Tensor& output)>;

// x * sigmoid(x), in the memory of x, which the caller gives up.
[[nodiscard]] at::Tensor silu(at::Tensor&& x);

// Views of one memory: images [N, C, H, W] (channels last) as tokens [N, H*W, C], and back.
[[nodiscard]] at::Tensor as_tokens(const at::Tensor& images);
[[nodiscard]] at::Tensor as_images(const at::Tensor& tokens, std::int64_t height,
                                   std::int64_t width);

}  // namespace mimicfleet::nn
