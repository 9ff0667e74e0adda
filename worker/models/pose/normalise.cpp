#include "worker/models/pose/normalise.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include "worker/models/nn/float_kernels.h"

namespace mimicfleet::pose {
namespace {

constexpr std::int64_t kBytes = 256;
constexpr std::int64_t kColours = 3;

at::Tensor looked_up_on_cpu(const at::Tensor& pictures, const at::Tensor& values) {
  constexpr std::int64_t kPixelsAtOnce = 1 << 14;
  at::Tensor result = at::empty(pictures.sizes(), at::kFloat);
  const auto* in = pictures.const_data_ptr<std::uint8_t>();
  const auto* table = values.const_data_ptr<float>();
  auto* out = result.mutable_data_ptr<float>();
  at::parallel_for(0, pictures.numel() / kColours, kPixelsAtOnce,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t i = first * kColours; i < last * kColours; i += kColours) {
                       for (std::int64_t c = 0; c < kColours; ++c)
                         out[i + c] = table[c * kBytes + in[i + c]];
                     }
                   });
  return result;
}

at::Tensor looked_up(const at::Tensor& pictures, const at::Tensor& values) {
  if (pictures.is_cpu()) return looked_up_on_cpu(pictures, values);
  if (auto found = nn::gpu_look_up(pictures, values)) return *found;
  const auto channels = at::arange(kColours, pictures.options().dtype(at::kLong)) * kBytes;
  return values.take(pictures.to(at::kLong) + channels);
}

}  // namespace

Normaliser::Normaliser(at::Device device) {
  const at::Tensor mean = at::tensor({123.675, 116.28, 103.53}, at::kDouble).unsqueeze(1);
  const at::Tensor deviation = at::tensor({58.395, 57.12, 57.375}, at::kDouble).unsqueeze(1);
  values_ = ((at::arange(kBytes, at::kDouble) - mean) / deviation).to(at::kFloat).to(device);
}

at::Tensor Normaliser::operator()(const at::Tensor& pictures) const {
  return looked_up(pictures.contiguous(), values_).permute({0, 3, 1, 2});
}

}  // namespace mimicfleet::pose
