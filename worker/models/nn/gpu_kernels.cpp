#include "worker/models/nn/gpu_kernels.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "common/log.h"
#include "worker/models/nn/gpu_program.h"

namespace mimicfleet::nn {
namespace {

constexpr int kVector = 8;         // channels that a thread takes at once: 16 bytes
constexpr int kMostThreads = 512;  // of a block; they share 64 bytes each
constexpr std::int64_t kBlocks = 2048;

// Images are [n][position][channel]. A thread keeps to its 8 channels (v) and takes every rows-th position of
// its block's run.
constexpr const char* kSource = R"(
typedef unsigned short Half;
struct __align__(16) Vector { Half values[8]; };

#ifdef BF16
__device__ float to_float(Half h) { return __uint_as_float((unsigned)h << 16); }
__device__ Half to_half(float f) { Half h; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#else
__device__ float to_float(Half h) { float f; asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h)); return f; }
__device__ Half to_half(float f) { Half h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f)); return h; }
#endif

// Sums and sums of squares of each group over a run of positions: partial[n][run][group].
extern "C" __global__ void sum_groups(const Vector* x, float2* partial, long long positions, int vectors, int rows,
                                      int run, int groups) {
  extern __shared__ float2 shared[];  // [row][channel]
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const int channels = vectors * 8;
  const Vector* image = x + (long long)blockIdx.y * positions * vectors;
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  float sums[8] = {}, squares[8] = {};
  for (long long p = first + row; p < last; p += rows) {
    const Vector in = image[p * vectors + v];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float value = to_float(in.values[i]);
      sums[i] += value;
      squares[i] += value * value;
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) shared[row * channels + v * 8 + i] = make_float2(sums[i], squares[i]);
  __syncthreads();
  const int each = channels / groups;
  for (int group = threadIdx.x; group < groups; group += blockDim.x) {
    float2 sum = make_float2(0, 0);
    for (int r = 0; r < rows; ++r) {
      for (int c = group * each; c < (group + 1) * each; ++c) {
        sum.x += shared[r * channels + c].x;
        sum.y += shared[r * channels + c].y;
      }
    }
    partial[((long long)blockIdx.y * gridDim.x + blockIdx.x) * groups + group] = sum;
  }
}

// What each channel is multiplied by, and what is added then: factors[n][channel]. A block for each group and image.
extern "C" __global__ void find_factors(const float2* partial, const Half* weight, const Half* bias, float2* factors,
                                        long long positions, int channels, int runs, int groups, float eps) {
  __shared__ double sums[128], squares[128];
  const int group = blockIdx.x;
  double sum = 0, square = 0;
  for (int run = threadIdx.x; run < runs; run += 128) {
    const float2 part = partial[((long long)blockIdx.y * runs + run) * groups + group];
    sum += part.x;
    square += part.y;
  }
  sums[threadIdx.x] = sum;
  squares[threadIdx.x] = square;
  for (int half = 64; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      squares[threadIdx.x] += squares[threadIdx.x + half];
    }
  }
  __syncthreads();
  const int each = channels / groups;
  const double count = (double)positions * each;
  const double mean = sums[0] / count;
  const double variance = squares[0] / count - mean * mean;
  const float scale = (float)(1 / sqrt((variance > 0 ? variance : 0) + eps));
  for (int c = group * each + threadIdx.x; c < (group + 1) * each; c += 128) {
    const float factor = scale * to_float(weight[c]);
    factors[(long long)blockIdx.y * channels + c] = make_float2(factor, to_float(bias[c]) - (float)mean * factor);
  }
}

extern "C" __global__ void normalise(const Vector* x, Vector* y, const float2* factors, long long positions, int vectors,
                                     int rows, int run, int silu) {
  const int v = threadIdx.x % vectors;
  const int row = threadIdx.x / vectors;
  const long long offset = (long long)blockIdx.y * positions * vectors;
  const float2* mine = factors + (long long)blockIdx.y * vectors * 8 + v * 8;
  float2 factor[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) factor[i] = mine[i];
  const long long first = (long long)blockIdx.x * run;
  const long long last = min(first + run, positions);
  for (long long p = first + row; p < last; p += rows) {
    const Vector in = x[offset + p * vectors + v];
    Vector out;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float value = to_float(in.values[i]) * factor[i].x + factor[i].y;
      if (silu) value = value / (1 + __expf(-value));
      out.values[i] = to_half(value);
    }
    y[offset + p * vectors + v] = out;
  }
}

extern "C" __global__ void geglu(const Vector* x, Vector* y, long long count, int vectors) {
  const long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= count) return;
  const long long row = at / vectors;
  const Vector value = x[at + row * vectors];
  const Vector gate = x[at + (row + 1) * vectors];
  Vector out;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float g = to_float(gate.values[i]);
    out.values[i] = to_half(to_float(value.values[i]) * 0.5f * g * (1 + erff(g * 0.70710678f)));
  }
  y[at] = out;
}
)";

const GpuProgram* program_for(at::ScalarType type) {
  const auto load = [](const char* option) -> std::optional<GpuProgram> {
    const char* wanted = std::getenv("MIMICFLEET_GPU_KERNELS");
    if (wanted != nullptr && std::string_view(wanted) == "off") return std::nullopt;
    auto program =
        GpuProgram::compile(kSource, {option}, {"sum_groups", "find_factors", "normalise", "geglu"});
    if (program.ok()) return std::move(*program);
    log::warn("going on without kernels of our own: {}", log::printable(program.status().message()));
    return std::nullopt;
  };
  const auto pointer = [](const std::optional<GpuProgram>& program) { return program ? &*program : nullptr; };
  if (type == at::kHalf) {
    static const std::optional<GpuProgram> kProgram = load("-DFP16");
    return pointer(kProgram);
  }
  static const std::optional<GpuProgram> kProgram = load("-DBF16");
  return pointer(kProgram);
}

bool is_half(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

bool serves(const at::Tensor& x, const at::Tensor& weight, std::int64_t groups) {
  return x.is_cuda() && is_half(x.scalar_type()) && weight.scalar_type() == x.scalar_type() && x.dim() == 4 &&
         x.numel() > 0 && x.is_contiguous(at::MemoryFormat::ChannelsLast) && x.size(1) % kVector == 0 &&
         x.size(1) % groups == 0 && x.size(1) / kVector <= kMostThreads && x.size(0) < 65536 &&
         reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0;
}

}  // namespace

bool has_gpu_kernels(at::ScalarType type) { return is_half(type) && program_for(type) != nullptr; }

std::optional<at::Tensor> gpu_group_norm(const at::Tensor& x, std::int64_t groups, const at::Tensor& weight,
                                         const at::Tensor& bias, double eps, bool then_silu) {
  if (!serves(x, weight, groups)) return std::nullopt;
  const GpuProgram* program = program_for(x.scalar_type());
  if (program == nullptr) return std::nullopt;
  const std::int64_t images = x.size(0);
  long long positions = x.size(2) * x.size(3);
  int channels = static_cast<int>(x.size(1));
  int vectors = channels / kVector;
  int rows = std::max(1, kMostThreads / vectors);
  const long long wanted = std::max<long long>(1, kBlocks / images);
  int run = static_cast<int>(std::max<long long>((positions + wanted - 1) / wanted, 4LL * rows));
  const auto runs = static_cast<unsigned>((positions + run - 1) / run);
  int run_count = static_cast<int>(runs);
  int group_count = static_cast<int>(groups);
  const auto floats = x.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous);
  const at::Tensor partial = at::empty({images, runs, groups, 2}, floats);
  const at::Tensor factors = at::empty({images, channels, 2}, floats);
  at::Tensor y = at::empty_like(x);
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  void* sums = partial.mutable_data_ptr();
  void* scales = factors.mutable_data_ptr();
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  auto epsilon = static_cast<float>(eps);
  int silu = then_silu ? 1 : 0;
  const auto threads = static_cast<unsigned>(vectors * rows);
  const auto height = static_cast<unsigned>(images);
  const std::array<void*, 7> to_sum = {&in, &sums, &positions, &vectors, &rows, &run, &group_count};
  program->launch(0, {runs, height}, threads, threads * kVector * 2 * sizeof(float), to_sum);
  const std::array<void*, 9> to_find = {&sums,     &weights,   &biases,      &scales, &positions,
                                        &channels, &run_count, &group_count, &epsilon};
  program->launch(1, {static_cast<unsigned>(groups), height}, 128, 0, to_find);
  const std::array<void*, 8> to_apply = {&in, &out, &scales, &positions, &vectors, &rows, &run, &silu};
  program->launch(2, {runs, height}, threads, 0, to_apply);
  return y;
}

std::optional<at::Tensor> gpu_geglu(const at::Tensor& x) {
  constexpr unsigned kThreads = 256;
  const std::int64_t inner = x.size(-1) / 2;
  if (!x.is_cuda() || !is_half(x.scalar_type()) || !x.is_contiguous() || x.numel() == 0 ||
      inner % kVector != 0 || reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 != 0) {
    return std::nullopt;
  }
  const GpuProgram* program = program_for(x.scalar_type());
  if (program == nullptr) return std::nullopt;
  auto shape = x.sizes().vec();
  shape.back() = inner;
  at::Tensor y = at::empty(shape, x.options());
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  long long count = y.numel() / kVector;
  int vectors = static_cast<int>(inner / kVector);
  const std::array<void*, 4> arguments = {&in, &out, &count, &vectors};
  program->launch(3, {static_cast<unsigned>((count + kThreads - 1) / kThreads), 1}, kThreads, 0, arguments);
  return y;
}

}  // namespace mimicfleet::nn
