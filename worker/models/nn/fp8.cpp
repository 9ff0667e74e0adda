#include "worker/models/nn/fp8.h"

#include <array>
#include <bit>
#include <optional>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_scaled_mm.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/where.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/gpu_launch.h"
#include "worker/models/nn/guarded.h"

namespace mimicfleet::nn {
namespace {

constexpr double kLargest = 448;  // of e4m3
constexpr auto kType = at::kFloat8_e4m3fn;
constexpr int kMostRowVectors = 8;    // of a row that a thread takes; kMost of kernels/fp8.cu
constexpr int kMostGegluVectors = 4;  // likewise; kMostOfGeglu

// As they are listed to KernelFile.
enum Fp8Kernel : std::size_t { kQuantise, kQuantisedLayerNorm, kQuantisedGeglu };

const KernelFile& fp8_kernels() {
  static const KernelFile kFile(
      "fp8.cu", {"quantise_rows", "layer_norm_quantised", "geglu_quantised"}, kFromAda);
  return kFile;
}

// Null: the kernels do not serve rows of `columns` numbers of x.
const GpuProgram* program_for_rows(const at::Tensor& x, std::int64_t columns) {
  return x.is_contiguous() ? program_for(fp8_kernels(), x, columns) : nullptr;
}

QuantisedRows empty_rows(const at::Tensor& x, std::int64_t rows, std::int64_t columns) {
  return {at::empty({rows, columns}, x.options().dtype(kType)),
          at::empty({rows, 1}, x.options().dtype(at::kFloat))};
}

// How many threads share a row: a power of two.
struct RowLaunch {
  explicit RowLaunch(const at::Tensor& x)
      : rows(x.numel() / x.size(-1)), vectors(static_cast<int>(x.size(-1) / kVector)) {
    const int wanted = (vectors + kMostRowVectors - 1) / kMostRowVectors;
    lanes = static_cast<int>(std::bit_ceil(static_cast<unsigned>(wanted)));
  }

  [[nodiscard]] static bool fits(const at::Tensor& x) {
    return x.size(-1) <= 32 * kMostRowVectors * kVector;
  }
  [[nodiscard]] std::array<unsigned, 2> blocks() const {
    return {blocks_for(rows * lanes, kThreads), 1};
  }

  long long rows;
  int vectors;
  int lanes = 1;
};

QuantisedRows quantise_by_operators(const at::Tensor& x) {
  const at::Tensor rows = x.reshape({-1, x.size(-1)}).to(at::kFloat);
  const at::Tensor largest = at::amax(rows.abs(), -1, /*keepdim=*/true);
  const at::Tensor scales = at::where(largest > 0, largest / kLargest, 1.0).to(at::kFloat);
  return {(rows / scales).clamp_(-kLargest, kLargest).to(kType), scales};
}

}  // namespace

bool can_fp8(at::ScalarType type) {
  return has_gpu_kernels(type) && fp8_kernels().for_type(type) != nullptr;
}

Status try_fp8(at::Device device, at::ScalarType type) {
  return guarded("a product in 8-bit floating point", [&]() -> Status {
    constexpr std::int64_t kSide = 64;
    constexpr double kMostError = 0.05;
    const auto floats = at::TensorOptions().device(device).dtype(at::kFloat);
    const at::Tensor numbers =
        at::arange(kSide * kSide, floats).remainder(13).sub(6).view({kSide, kSide});
    const at::Tensor bias = numbers.select(0, 1).contiguous();
    const QuantisedRows rows = quantise_rows(numbers.to(type));
    const at::Tensor product = multiply(rows, rows, bias.to(type), type).to(at::kFloat);
    const at::Tensor exact = at::linear(numbers, numbers, bias);
    const double error =
        (product - exact).abs().max().item<double>() / exact.abs().max().item<double>();
    if (error < kMostError) return {};
    return {StatusCode::kUnsupported, "a product in 8-bit floating point: the result is not right"};
  });
}

bool fits_fp8(const at::Tensor& weight, std::int64_t fewest_inputs) {
  return weight.size(0) % 16 == 0 && weight.size(1) % 16 == 0 && weight.size(1) >= fewest_inputs;
}

QuantisedRows quantise_rows(const at::Tensor& x) {
  const GpuProgram* program = RowLaunch::fits(x) ? program_for_rows(x, x.size(-1)) : nullptr;
  if (program == nullptr) return quantise_by_operators(x);
  RowLaunch launch(x);
  QuantisedRows y = empty_rows(x, launch.rows, x.size(-1));
  const void* in = x.const_data_ptr();
  void* out = y.values.mutable_data_ptr();
  void* scales = y.scales.mutable_data_ptr();
  const std::array<void*, 6> arguments = {
      &in, &out, &scales, &launch.rows, &launch.vectors, &launch.lanes};
  program->launch(kQuantise, launch.blocks(), kThreads, 0, arguments);
  return y;
}

QuantisedRows layer_norm_quantised(const at::Tensor& x, const at::Tensor& addend,
                                   const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const bool serves = RowLaunch::fits(x) && weight.scalar_type() == x.scalar_type() &&
                      is_aligned(weight) && is_aligned(bias) && is_addend_of_tokens(x, addend);
  const GpuProgram* program = serves ? program_for_rows(x, x.size(-1)) : nullptr;
  if (program == nullptr) {
    const at::Tensor all = addend.defined() ? x + addend.unsqueeze(2) : x;
    return quantise_by_operators(at::layer_norm(all, weight.sizes(), weight, bias, eps));
  }
  RowLaunch launch(x);
  QuantisedRows y = empty_rows(x, launch.rows, x.size(-1));
  const void* in = x.const_data_ptr();
  const void* extra = data_of(addend);
  int extras = addend.defined() ? static_cast<int>(addend.size(0) * addend.size(1)) : 0;
  long long each = rows_each(x, addend);
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  void* out = y.values.mutable_data_ptr();
  void* scales = y.scales.mutable_data_ptr();
  auto epsilon = static_cast<float>(eps);
  const std::array<void*, 12> arguments = {&in,          &extra,          &extras,       &each,
                                           &weights,     &biases,         &out,          &scales,
                                           &launch.rows, &launch.vectors, &launch.lanes, &epsilon};
  program->launch(kQuantisedLayerNorm, launch.blocks(), kThreads, 0, arguments);
  return y;
}

QuantisedRows geglu_quantised(const at::Tensor& x) {
  const std::int64_t inner = x.size(-1) / 2;
  const bool fits = inner / kVector <= std::int64_t{kMostGegluVectors} * kThreads;
  const GpuProgram* program = fits ? program_for_rows(x, inner) : nullptr;
  if (program == nullptr) {
    return quantise_by_operators(at::gelu(x.narrow(-1, inner, inner)).mul_(x.narrow(-1, 0, inner)));
  }
  const std::int64_t rows = x.numel() / x.size(-1);
  QuantisedRows y = empty_rows(x, rows, inner);
  const void* in = x.const_data_ptr();
  void* out = y.values.mutable_data_ptr();
  void* scales = y.scales.mutable_data_ptr();
  int vectors = static_cast<int>(inner / kVector);
  const unsigned each = blocks_for(vectors, kThreads);
  // Whole warps with equal shares.
  const unsigned threads = (blocks_for(vectors, each) + 31) / 32 * 32;
  const std::array<void*, 4> arguments = {&in, &out, &scales, &vectors};
  program->launch(kQuantisedGeglu, {static_cast<unsigned>(rows), 1}, threads, 0, arguments);
  return y;
}

at::Tensor multiply(const QuantisedRows& x, const QuantisedRows& weight, const at::Tensor& bias,
                    at::ScalarType type) {
  const std::optional<at::Tensor> addend = bias.defined() ? std::optional(bias) : std::nullopt;
  if (x.values.is_cpu()) {
    const auto numbers = [](const QuantisedRows& rows) {
      return rows.values.to(at::kFloat) * rows.scales;
    };
    return at::linear(numbers(x), numbers(weight), addend).to(type);
  }
  return at::_scaled_mm(x.values, weight.values.t(), x.scales, weight.scales.t(), addend,
                        /*scale_result=*/std::nullopt, type, /*use_fast_accum=*/true);
}

}  // namespace mimicfleet::nn
