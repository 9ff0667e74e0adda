#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "worker/models/nn/layers.h"

namespace mimicfleet::nn {
namespace {

// Three weights along an axis to four. An output pixel of even index meets, in the upsampled image,
// the pixel before it and twice its own; one of odd index twice its own and the one behind it.
at::Tensor summed_along(const at::Tensor& weight, std::int64_t axis) {
  const at::Tensor a = weight.select(axis, 0);
  const at::Tensor b = weight.select(axis, 1);
  const at::Tensor c = weight.select(axis, 2);
  return at::stack({c, b + c, a + b, a}, axis);
}

// [out, in, 3, 3] -> [in, out, 4, 4], summed in float32 and rounded once.
at::Tensor transposed_weight(const at::Tensor& weight) {
  return summed_along(summed_along(weight.to(at::kFloat), 2), 3)
      .to(weight.scalar_type())
      .transpose(0, 1)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

UpsamplingConv::UpsamplingConv(const Scope& scope, std::int64_t channels)
    : conv(scope, channels, channels) {}

WithAddend UpsamplingConv::without_bias(const at::Tensor& x) const {
  if (has_gpu_kernels(x)) {
    const at::Tensor& weight = transposed_.get([this] { return transposed_weight(conv.weight); });
    return {at::conv_transpose2d(x, weight, {}, /*stride=*/2, /*padding=*/1),
            conv.bias.unsqueeze(0)};
  }
  return conv.without_bias(
      at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)}));
}

}  // namespace mimicfleet::nn
