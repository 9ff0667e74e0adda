#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/status.h"

namespace mimicfleet::nn {

// CUDA kernels out of their source text (gpu_sources.h), compiled for the calling thread's GPU by
// NVIDIA's run-time compiler (docs.nvidia.com/cuda/nvrtc), which comes with the CUDA half of
// LibTorch. Nothing links to either: compile() finds both in the process. Kernels run in the
// calling thread's stream of LibTorch, after what was asked of it before.
class GpuProgram {
 public:
  // `file`: one of gpu_sources(). `own_instructions`: with those that only this architecture has
  // (sm_90a). kUnsupported: a library, a function or the compilation failed, and why.
  [[nodiscard]] static Result<GpuProgram> compile(std::string_view file,
                                                  const std::vector<std::string>& options,
                                                  const std::vector<std::string>& kernels,
                                                  bool own_instructions = false);

  // `kernel`: index into compile()'s list. Throws c10::Error if the launch is refused.
  void launch(std::size_t kernel, std::array<unsigned, 2> blocks, unsigned threads,
              std::size_t shared_bytes, std::span<void* const> arguments) const;

  // Needed once before launches with more than 48 KB of shared memory. Throws c10::Error if it is
  // refused.
  void allow_shared_memory(std::size_t kernel, std::size_t bytes) const;

 private:
  std::vector<void*> functions_;   // never unloaded: the context may be gone before us
  void* launch_ = nullptr;         // cuLaunchKernel
  void* set_attribute_ = nullptr;  // cuFuncSetAttribute
  at::Device device_{at::kCPU};
};

// Of the calling thread's GPU, such as {9, 0} for Hopper. Nothing without a driver or a GPU.
struct ComputeCapability {
  int major;
  int minor;
};
[[nodiscard]] std::optional<ComputeCapability> compute_capability();

// How the copy engine of a Hopper GPU (or a later one) sees a matrix in half precision: boxes of 64
// columns (128 bytes a row, swizzled) by `box_rows` rows. An argument of kernels: TensorMap in
// kernels/hopper.cuh.
struct alignas(64) TensorMap {
  std::array<std::uint64_t, 16> data;
};
inline constexpr unsigned kBoxColumns = 64;

// matrix: [rows, columns], contiguous. Throws c10::Error if the driver refuses it.
[[nodiscard]] TensorMap tensor_map(const at::Tensor& matrix, unsigned box_rows);

}  // namespace mimicfleet::nn
