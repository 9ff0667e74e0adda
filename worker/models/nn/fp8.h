#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "common/status.h"

// Linear layers in 8-bit floating point: float8 e4m3, which has three bits after the leading one
// and ends at 448. Rows of activations and of weights have a float32 factor each, by which the
// largest number of each becomes 448. A layer is off by about 2.6 % (root mean square, of numbers
// that are spread normally).
namespace mimicfleet::nn {

struct QuantisedRows {
  at::Tensor values;  // [rows, columns] Float8_e4m3fn
  at::Tensor scales;  // [rows, 1] float32: what the values are to be multiplied by

  [[nodiscard]] bool defined() const { return values.defined(); }
};

// Whether the calling thread's GPU multiplies such rows: one of compute capability 8.9 or more
// (Ada, Hopper), with all kernels of our own (MIMICFLEET_GPU_KERNELS).
[[nodiscard]] bool can_fp8(at::ScalarType type);

// Multiplies two small matrices so and looks at the result. kUnsupported: it is not right, or
// refused.
[[nodiscard]] Status try_fp8(at::Device device, at::ScalarType type);

// Whether a layer with this weight [out, in] can be computed so (both are multiples of 16) and has
// at least `fewest_inputs`.
[[nodiscard]] bool fits_fp8(const at::Tensor& weight, std::int64_t fewest_inputs);

// The rows of x [..., C].
[[nodiscard]] QuantisedRows quantise_rows(const at::Tensor& x);

// The same of what is computed of x in one pass: the layer norm of tokens [B, T, S, C] + addend [B
// or 1, T or 1, C] (or undefined); of rows of two halves [..., 2C] the first times the GELU of the
// second.
[[nodiscard]] QuantisedRows layer_norm_quantised(const at::Tensor& x, const at::Tensor& addend,
                                                 const at::Tensor& weight, const at::Tensor& bias,
                                                 double eps);
[[nodiscard]] QuantisedRows geglu_quantised(const at::Tensor& x);

// x W^T + bias (or undefined) in `type`: [rows, out]. On a CPU, where nothing but tests computes
// so, in float32 of the same 8-bit numbers.
[[nodiscard]] at::Tensor multiply(const QuantisedRows& x, const QuantisedRows& weight,
                                  const at::Tensor& bias, at::ScalarType type);

}  // namespace mimicfleet::nn
