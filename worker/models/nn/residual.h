#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/fp8.h"
#include "worker/models/nn/layers.h"

namespace mimicfleet::nn {

// A sum that grows layer by layer in one memory: tokens [B, T, S, C]. In half precision on a GPU
// products are added onto it by the product itself, and what is the same at all positions (biases,
// embeddings, one-token attention) waits as `addend`, which the norms add to what they read:
// nothing passes over the memory just to add. Elsewhere all of it is added at once.
class Residual {
 public:
  // linear(x), x: [B, T, S, K].
  Residual(const Linear& linear, const at::Tensor& x);

  // The same plus `constant` [B or 1, T or 1, 1, C]: another sum, which leaves this one's memory
  // alone.
  [[nodiscard]] Residual plus(const at::Tensor& constant) const;

  void add(const Linear& linear, const at::Tensor& x);  // + linear(x), x: [B, T, S, K]
  void add_constant(const at::Tensor& constant);        // [B or 1, T or 1, 1 or S, C]
  void mix(const Residual& other, double share);        // + share * (other - this)

  [[nodiscard]] at::Tensor normalised(const LayerNorm& norm) const;  // [B, T, S, C]

  // In 8 bits: normalised(norm) W^T + bias (or undefined), weight [K, C] -> [B, T, S, K]; and the
  // sum plus the product [B*T*S, C] of another layer and its bias.
  [[nodiscard]] at::Tensor normalised_times(const LayerNorm& norm, const QuantisedRows& weight,
                                            const at::Tensor& bias) const;
  void add_product(const at::Tensor& product, const at::Tensor& bias);

  // images + linear(this), in the memory of the images [B*T, C', H, W] in channels-last memory, S =
  // H*W.
  [[nodiscard]] WithAddend added_onto(const at::Tensor& images, const Linear& linear) const;

 private:
  Residual(at::Tensor tokens, at::Tensor addend, bool waits, bool owns);
  void own();

  at::Tensor tokens_;
  at::Tensor addend_;  // [B or 1, T or 1, C] or undefined
  bool waits_;         // whether addends wait
  bool owns_ = true;   // whether the memory may be written to
};

}  // namespace mimicfleet::nn
