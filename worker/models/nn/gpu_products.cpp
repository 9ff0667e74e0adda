#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numbers>

#include <ATen/ops/empty.h>

#include "worker/models/nn/gpu_kernels.h"
#include "worker/models/nn/gpu_launch.h"

namespace mimicfleet::nn {
namespace {

constexpr std::int64_t kHeadChannels = 64;
constexpr std::int64_t kFrames = 16;

// As in kernels/geglu_linear.cu.
constexpr std::int64_t kTile = 64;  // of columns, and along the sum
constexpr unsigned kRows = 192;     // of a block
constexpr std::int64_t kStages = 5;
constexpr std::int64_t kCluster = 2;
constexpr unsigned kGegluThreads = 512;
constexpr std::size_t kSharedBytes =
    2 * (kStages * (kRows * kTile + 2 * kTile * kTile) + kRows * kTile) + 1024;
constexpr std::int64_t kMultiprocessors = 132;  // of a Hopper GPU; each has one block

}  // namespace

const KernelFile& frame_kernels() {
  static const KernelFile kFile("frames.cu", {"attend_frames"}, kFromAmpere);
  return kFile;
}

const KernelFile& product_kernels() {
  static const KernelFile kFile("geglu_linear.cu", {"geglu_linear"}, kHopperAlone);
  return kFile;
}

std::optional<at::Tensor> gpu_attend_frames(const at::Tensor& qkv, std::int64_t heads) {
  const std::int64_t channels = heads * kHeadChannels;
  const bool serves = qkv.dim() == 4 && qkv.is_contiguous() && qkv.size(1) == kFrames &&
                      qkv.size(3) == 3 * channels;
  const std::int64_t unit_count = qkv.size(0) * qkv.size(2) * heads;
  const GpuProgram* program = serves && unit_count < std::int64_t{1} << 31
                                  ? program_for(frame_kernels(), qkv, channels)
                                  : nullptr;
  if (program == nullptr) return std::nullopt;
  at::Tensor y = at::empty({qkv.size(0), kFrames, qkv.size(2), channels}, qkv.options());
  const void* in = qkv.const_data_ptr();
  void* out = y.mutable_data_ptr();
  int positions = static_cast<int>(qkv.size(2));
  int head_count = static_cast<int>(heads);
  int units = static_cast<int>(unit_count);
  auto scale =
      static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(kHeadChannels)));
  const std::array<void*, 6> arguments = {&in, &out, &positions, &head_count, &units, &scale};
  program->launch(0, {blocks_for(unit_count, kThreads / 32), 1}, kThreads, 0, arguments);
  return y;
}

std::optional<at::Tensor> gpu_geglu_linear(const at::Tensor& x, const at::Tensor& weight,
                                           const at::Tensor& bias) {
  const std::int64_t inner = weight.size(0) / 2;
  const std::int64_t depth = weight.size(1);
  const bool serves = x.is_contiguous() && weight.is_contiguous() && bias.defined() &&
                      weight.scalar_type() == x.scalar_type() && inner % kTile == 0 &&
                      depth % kTile == 0 && is_aligned(weight) && is_aligned(bias);
  const GpuProgram* program = serves ? program_for(product_kernels(), x, depth) : nullptr;
  if (program == nullptr) return std::nullopt;
  static std::once_flag allowed[2];
  std::call_once(allowed[x.scalar_type() == at::kHalf ? 0 : 1],
                 [&] { program->allow_shared_memory(0, kSharedBytes); });
  auto shape = x.sizes().vec();
  shape.back() = inner;
  at::Tensor y = at::empty(shape, x.options());
  TensorMap of_x = tensor_map(x.view({-1, depth}), kRows);
  TensorMap of_weight = tensor_map(weight, kTile);
  TensorMap of_y = tensor_map(y.view({-1, inner}), kTile);
  const void* biases = bias.const_data_ptr();
  const std::int64_t rows = x.numel() / depth;
  // Of blocks, one below the other.
  const std::int64_t pairs = (rows + kCluster * kRows - 1) / (kCluster * kRows);
  int column_tiles = static_cast<int>(inner / kTile);
  int tiles = static_cast<int>(pairs) * column_tiles;
  int depth_tiles = static_cast<int>(depth / kTile);
  int n = static_cast<int>(inner);
  const std::array<void*, 8> arguments = {&of_x,  &of_weight,    &of_y,        &biases,
                                          &tiles, &column_tiles, &depth_tiles, &n};
  const auto blocks = static_cast<unsigned>(std::min(kMultiprocessors, kCluster * tiles));
  program->launch(0, {blocks, 1}, kGegluThreads, kSharedBytes, arguments);
  return y;
}

}  // namespace mimicfleet::nn
