#include <algorithm>
#include <array>
#include <string>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/gpu_launch.h"

namespace mimicfleet::nn {
namespace {

constexpr int kMostThreads = 512;  // of a block; they share 64 bytes each
constexpr std::int64_t kBlocks = 2048;

// As norm_kernels() lists them.
enum NormKernel : std::size_t {
  kSumGroups,
  kAddAndSum,
  kFindFactors,
  kNormalise,
  kNormaliseSilu,
  kLayerNorm,
  kLayerNorm320,
  kLayerNorm640,
  kLayerNorm1280
};

// How the positions of images [N, C, H, W] are shared out among blocks of threads.
struct Layout {
  explicit Layout(const at::Tensor& x)
      : images(x.size(0)), positions(x.size(2) * x.size(3)), channels(static_cast<int>(x.size(1))) {
    vectors = channels / kVector;
    rows = std::max(1, kMostThreads / vectors);
    const long long wanted = std::max<long long>(1, kBlocks / images);
    run = static_cast<int>(std::max<long long>((positions + wanted - 1) / wanted, 4LL * rows));
    runs = static_cast<int>((positions + run - 1) / run);
  }
  [[nodiscard]] unsigned threads() const { return static_cast<unsigned>(vectors * rows); }
  [[nodiscard]] std::size_t shared_bytes() const { return threads() * kVector * 2 * sizeof(float); }
  [[nodiscard]] std::array<unsigned, 2> blocks() const {
    return {static_cast<unsigned>(runs), static_cast<unsigned>(images)};
  }

  std::int64_t images;
  long long positions;
  int channels;
  int vectors;
  int rows;  // positions that a block takes at once
  int run;   // positions of a block
  int runs;
};

bool are_images(const at::Tensor& x, std::int64_t groups) {
  return x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
         x.size(1) % groups == 0 && x.size(1) / kVector <= kMostThreads &&
         x.size(0) < kMostBlocksInY;
}

bool is_addend(const at::Tensor& addend) {
  return !addend.defined() || (addend.is_contiguous() && is_aligned(addend));
}

int rows_of(const at::Tensor& addend) {
  return addend.defined() ? static_cast<int>(addend.size(0)) : 0;
}

at::Tensor floats(at::IntArrayRef shape, const at::Tensor& like) {
  return at::empty(shape,
                   like.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous));
}

at::Tensor sum_groups(const GpuProgram& program, Layout layout, const at::Tensor& x,
                      const at::Tensor& addend, int groups) {
  at::Tensor partial = floats({layout.images, layout.runs, groups, 2}, x);
  const void* in = x.const_data_ptr();
  const void* extra = data_of(addend);
  int extras = rows_of(addend);
  void* sums = partial.mutable_data_ptr();
  const std::array<void*, 9> arguments = {
      &in,          &extra,      &extras, &sums, &layout.positions, &layout.vectors,
      &layout.rows, &layout.run, &groups};
  program.launch(kSumGroups, layout.blocks(), layout.threads(), layout.shared_bytes(), arguments);
  return partial;
}

}  // namespace

const KernelFile& norm_kernels() {
  static const KernelFile kFile(
      "norms.cu", {"sum_groups", "add_and_sum", "find_factors", "normalise", "normalise_silu",
                   "layer_norm", "layer_norm_320", "layer_norm_640", "layer_norm_1280"});
  return kFile;
}

std::optional<at::Tensor> gpu_group_norm(const at::Tensor& x, const at::Tensor& addend,
                                         std::int64_t groups, const at::Tensor& weight,
                                         const at::Tensor& bias, double eps, bool then_silu,
                                         const GroupSums& sums) {
  const bool serves =
      are_images(x, groups) && weight.scalar_type() == x.scalar_type() && is_addend(addend);
  const GpuProgram* program = serves ? program_for(norm_kernels(), x, x.size(1)) : nullptr;
  if (program == nullptr) return std::nullopt;
  Layout layout(x);
  int group_count = static_cast<int>(groups);
  const bool summed = sums.partial.defined() && !addend.defined();
  const at::Tensor partial =
      summed ? sums.partial : sum_groups(*program, layout, x, addend, group_count);
  const at::Tensor factors = floats({layout.images, layout.channels, 2}, x);
  at::Tensor y = at::empty_like(x);
  int run_count = static_cast<int>(partial.numel() / (2 * groups * layout.images));
  const void* in = x.const_data_ptr();
  const void* extra = data_of(addend);
  int extras = rows_of(addend);
  void* out = y.mutable_data_ptr();
  void* part = partial.mutable_data_ptr();
  void* scales = factors.mutable_data_ptr();
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  auto epsilon = static_cast<float>(eps);
  const std::array<void*, 11> to_find = {
      &part,      &extra,       &extras,           &weights,
      &biases,    &scales,      &layout.positions, &layout.channels,
      &run_count, &group_count, &epsilon};
  program->launch(kFindFactors, {static_cast<unsigned>(groups), layout.blocks()[1]}, 128, 0,
                  to_find);
  const std::array<void*, 7> to_apply = {
      &in, &out, &scales, &layout.positions, &layout.vectors, &layout.rows, &layout.run};
  program->launch(then_silu ? kNormaliseSilu : kNormalise, layout.blocks(), layout.threads(), 0,
                  to_apply);
  return y;
}

std::optional<GroupSums> gpu_add_and_sum(const at::Tensor& out, const at::Tensor& a,
                                         const at::Tensor& b, const at::Tensor& addend,
                                         double share, std::int64_t groups) {
  const auto fits = [&](const at::Tensor& x) {
    return x.sizes() == out.sizes() && x.is_contiguous(at::MemoryFormat::ChannelsLast) &&
           is_aligned(x);
  };
  const bool serves = are_images(out, groups) && fits(a) && fits(b) && is_addend(addend);
  const GpuProgram* program = serves ? program_for(norm_kernels(), out, out.size(1)) : nullptr;
  if (program == nullptr) return std::nullopt;
  Layout layout(out);
  int group_count = static_cast<int>(groups);
  at::Tensor partial = floats({layout.images, layout.runs, groups, 2}, out);
  const void* one = a.const_data_ptr();
  const void* two = b.const_data_ptr();
  const void* extra = data_of(addend);
  int extras = rows_of(addend);
  void* to = out.mutable_data_ptr();
  void* sums = partial.mutable_data_ptr();
  auto factor = static_cast<float>(share);
  const std::array<void*, 12> arguments = {&one,
                                           &two,
                                           &extra,
                                           &extras,
                                           &to,
                                           &sums,
                                           &layout.positions,
                                           &layout.vectors,
                                           &layout.rows,
                                           &layout.run,
                                           &group_count,
                                           &factor};
  program->launch(kAddAndSum, layout.blocks(), layout.threads(), layout.shared_bytes(), arguments);
  return GroupSums{std::move(partial)};
}

namespace {

struct LayerNormKernel {
  NormKernel kernel;
  std::int64_t lanes;  // that take a row
};

LayerNormKernel layer_norm_kernel(std::int64_t channels) {
  switch (channels) {
    case 320:
      return {kLayerNorm320, 8};
    case 640:
      return {kLayerNorm640, 16};
    case 1280:
      return {kLayerNorm1280, 32};
    default:
      return {kLayerNorm, 32};
  }
}

}  // namespace

std::int64_t rows_each(const at::Tensor& x, const at::Tensor& addend) {
  if (!addend.defined()) return 1;
  return addend.size(1) == 1 ? x.size(1) * x.size(2) : x.size(2);
}

bool is_addend_of_tokens(const at::Tensor& x, const at::Tensor& addend) {
  if (!addend.defined()) return true;
  return x.dim() == 4 && addend.dim() == 3 && is_addend(addend) && addend.size(2) == x.size(3) &&
         (addend.size(1) == 1 || addend.size(1) == x.size(1)) &&
         (addend.size(0) == 1 || addend.size(0) == x.size(0));
}

std::optional<at::Tensor> gpu_layer_norm(const at::Tensor& x, const at::Tensor& addend,
                                         const at::Tensor& weight, const at::Tensor& bias,
                                         double eps) {
  constexpr std::int64_t kMostChannels = 1280;
  const std::int64_t channels = x.size(-1);
  const std::int64_t row_count = channels == 0 ? 0 : x.numel() / channels;
  const bool serves = x.is_contiguous() && channels <= kMostChannels &&
                      row_count < std::int64_t{1} << 31 &&
                      weight.scalar_type() == x.scalar_type() && is_aligned(weight) &&
                      is_aligned(bias) && is_addend_of_tokens(x, addend);
  const GpuProgram* program = serves ? program_for(norm_kernels(), x, channels) : nullptr;
  if (program == nullptr) return std::nullopt;
  at::Tensor y = at::empty_like(x);
  const void* in = x.const_data_ptr();
  const void* extra = data_of(addend);
  auto extras = static_cast<unsigned>(addend.defined() ? addend.size(0) * addend.size(1) : 0);
  auto each = static_cast<unsigned>(rows_each(x, addend));
  const void* weights = weight.const_data_ptr();
  const void* biases = bias.const_data_ptr();
  void* out = y.mutable_data_ptr();
  auto rows = static_cast<unsigned>(row_count);
  int vectors = static_cast<int>(channels / kVector);
  auto epsilon = static_cast<float>(eps);
  const std::array<void*, 10> arguments = {&in,     &extra, &extras, &each,    &weights,
                                           &biases, &out,   &rows,   &vectors, &epsilon};
  const auto [kernel, lanes] = layer_norm_kernel(channels);
  program->launch(kernel, {blocks_for(row_count * lanes, kThreads), 1}, kThreads, 0, arguments);
  return y;
}

}  // namespace mimicfleet::nn
