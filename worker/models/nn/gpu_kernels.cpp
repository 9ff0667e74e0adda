#include "worker/models/nn/gpu_kernels.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "common/log.h"
#include "worker/models/nn/gpu_program.h"
#include "worker/models/nn/gpu_source.h"

namespace mimicfleet::nn {
namespace {

constexpr int kVector = 8;         // channels that a thread takes at once: 16 bytes
constexpr int kMostThreads = 512;  // of a block; they share 64 bytes each
constexpr std::int64_t kBlocks = 2048;
constexpr unsigned kThreads = 256;  // of a block, where they share nothing
constexpr std::int64_t kMostBlocksInY = 65536;

// As they are listed to GpuProgram::compile().
enum Kernel : std::size_t { kSumGroups, kFindFactors, kNormalise, kGeglu, kAdd, kLayerNorm };
const std::vector<std::string> kNames = {"sum_groups", "find_factors", "normalise",
                                         "geglu",      "add",          "layer_norm"};

const GpuProgram* program_for(at::ScalarType type) {
  const auto load = [](const char* option) -> std::optional<GpuProgram> {
    const char* wanted = std::getenv("MIMICFLEET_GPU_KERNELS");
    if (wanted != nullptr && std::string_view(wanted) == "off") return std::nullopt;
    auto program = GpuProgram::compile(kGpuSource, {option}, kNames);
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

bool is_aligned(const at::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % (2 * kVector) == 0;
}

// Null: the kernels do not serve `x`, whose last dimension or, of images, whose channels they go along.
const GpuProgram* program_for(const at::Tensor& x, std::int64_t channels) {
  const bool serves =
      x.is_cuda() && is_half(x.scalar_type()) && x.numel() > 0 && channels % kVector == 0 && is_aligned(x);
  return serves ? program_for(x.scalar_type()) : nullptr;
}

unsigned blocks_for(std::int64_t count, unsigned threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

// Of a tensor [B, T, S, C] that is read at any stride but along its channels, in vectors.
struct Strides {
  long long clip = 0;
  long long frame = 0;
  long long position = 0;
};

long long stride(const at::Tensor& x, std::int64_t dimension) {
  return x.size(dimension) == 1 ? 0 : x.stride(dimension) / kVector;
}

bool is_readable(const at::Tensor& x) {
  const auto in_vectors = [&x](std::int64_t dimension) {
    return x.size(dimension) == 1 || x.stride(dimension) % kVector == 0;
  };
  return is_aligned(x) && x.stride(-1) == 1 && in_vectors(0) && in_vectors(1) &&
         (x.dim() < 4 || in_vectors(2));
}

const void* data_of(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }

}  // namespace

bool is_half(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

bool has_gpu_kernels(at::ScalarType type) { return is_half(type) && program_for(type) != nullptr; }

bool has_gpu_kernels(const at::Tensor& x) { return x.is_cuda() && has_gpu_kernels(x.scalar_type()); }

std::optional<at::Tensor> gpu_group_norm(const at::Tensor& x, const at::Tensor& addend, std::int64_t groups,
                                         const at::Tensor& weight, const at::Tensor& bias, double eps,
                                         bool then_silu) {
  const bool serves = x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
                      weight.scalar_type() == x.scalar_type() && x.size(1) % groups == 0 &&
                      x.size(1) / kVector <= kMostThreads && x.size(0) < kMostBlocksInY &&
                      (!addend.defined() || (addend.is_contiguous() && is_aligned(addend)));
  const GpuProgram* program = serves ? program_for(x, x.size(1)) : nullptr;
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
  const void* extra = data_of(addend);
  int extras = addend.defined() ? static_cast<int>(addend.size(0)) : 0;
  void* out = y.mutable_data_ptr();
  void* sums = partial.mutable_data_ptr();
  void* scales = factors.mutable_data_ptr();
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  auto epsilon = static_cast<float>(eps);
  int silu = then_silu ? 1 : 0;
  const auto threads = static_cast<unsigned>(vectors * rows);
  const auto height = static_cast<unsigned>(images);
  const std::array<void*, 9> to_sum = {&in,      &extra, &extras, &sums,       &positions,
                                       &vectors, &rows,  &run,    &group_count};
  program->launch(kSumGroups, {runs, height}, threads, threads * kVector * 2 * sizeof(float), to_sum);
  const std::array<void*, 11> to_find = {&sums,      &extra,    &extras,    &weights,     &biases, &scales,
                                         &positions, &channels, &run_count, &group_count, &epsilon};
  program->launch(kFindFactors, {static_cast<unsigned>(groups), height}, 128, 0, to_find);
  const std::array<void*, 8> to_apply = {&in, &out, &scales, &positions, &vectors, &rows, &run, &silu};
  program->launch(kNormalise, {runs, height}, threads, 0, to_apply);
  return y;
}

std::optional<at::Tensor> gpu_geglu(const at::Tensor& x) {
  const std::int64_t inner = x.size(-1) / 2;
  const GpuProgram* program = x.is_contiguous() ? program_for(x, inner) : nullptr;
  if (program == nullptr) return std::nullopt;
  auto shape = x.sizes().vec();
  shape.back() = inner;
  at::Tensor y = at::empty(shape, x.options());
  const void* in = x.const_data_ptr();
  void* out = y.mutable_data_ptr();
  long long count = y.numel() / kVector;
  int vectors = static_cast<int>(inner / kVector);
  const std::array<void*, 4> arguments = {&in, &out, &count, &vectors};
  program->launch(kGeglu, {blocks_for(count, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

bool gpu_add(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, const at::Tensor& addend,
             double share) {
  const bool serves = out.is_contiguous() && out.size(0) * out.size(1) < kMostBlocksInY &&
                      out.size(2) * out.size(3) / kVector < std::int64_t{1} << 31 &&
                      (!a.defined() || (a.is_contiguous() && is_aligned(a))) &&
                      (!b.defined() || is_readable(b)) && (!addend.defined() || is_readable(addend));
  const GpuProgram* program = serves ? program_for(out, out.size(3)) : nullptr;
  if (program == nullptr) return false;
  const void* first = data_of(a);
  const void* second = data_of(b);
  const void* extra = data_of(addend);
  void* to = out.mutable_data_ptr();
  auto count = static_cast<unsigned>(out.size(2) * out.size(3) / kVector);
  int vectors = static_cast<int>(out.size(3) / kVector);
  int frames = static_cast<int>(out.size(1));
  Strides of_b;
  if (b.defined()) of_b = {stride(b, 0), stride(b, 1), stride(b, 2)};
  Strides of_addend;
  if (addend.defined()) of_addend = {stride(addend, 0), stride(addend, 1), 0};
  auto factor = static_cast<float>(share);
  const std::array<void*, 13> arguments = {&first,      &second,        &extra,          &to,
                                           &count,      &vectors,       &frames,         &of_b.clip,
                                           &of_b.frame, &of_b.position, &of_addend.clip, &of_addend.frame,
                                           &factor};
  program->launch(kAdd, {blocks_for(count, kThreads), static_cast<unsigned>(out.size(0) * out.size(1))},
                  kThreads, 0, arguments);
  return true;
}

std::optional<at::Tensor> gpu_layer_norm(const at::Tensor& x, const at::Tensor& weight,
                                         const at::Tensor& bias, double eps) {
  constexpr std::int64_t kMostChannels = 1280;
  constexpr unsigned kWarps = kThreads / 32;
  const std::int64_t channels = x.size(-1);
  const bool serves = x.is_contiguous() && channels <= kMostChannels &&
                      weight.scalar_type() == x.scalar_type() && is_aligned(weight) && is_aligned(bias);
  const GpuProgram* program = serves ? program_for(x, channels) : nullptr;
  if (program == nullptr) return std::nullopt;
  at::Tensor y = at::empty_like(x);
  const void* in = x.const_data_ptr();
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  void* out = y.mutable_data_ptr();
  long long rows = x.numel() / channels;
  int vectors = static_cast<int>(channels / kVector);
  auto epsilon = static_cast<float>(eps);
  const std::array<void*, 7> arguments = {&in, &weights, &biases, &out, &rows, &vectors, &epsilon};
  program->launch(kLayerNorm, {blocks_for(rows, kWarps), 1}, kThreads, 0, arguments);
  return y;
}

}  // namespace mimicfleet::nn
