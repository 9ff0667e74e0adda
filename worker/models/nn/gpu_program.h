#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "common/status.h"

namespace mimicfleet::nn {

// CUDA kernels out of their source text, compiled for the calling thread's GPU by NVIDIA's run-time compiler
// (docs.nvidia.com/cuda/nvrtc), which comes with the CUDA half of LibTorch. Nothing links to either:
// compile() finds both in the process. Kernels run in the calling thread's stream of LibTorch, after what was
// asked of it before.
class GpuProgram {
 public:
  // kUnsupported: a library, a function or the compilation failed, and why.
  [[nodiscard]] static Result<GpuProgram> compile(const std::string& source,
                                                  const std::vector<std::string>& options,
                                                  const std::vector<std::string>& kernels);

  // `kernel`: index into compile()'s list. Throws c10::Error if the launch is refused.
  void launch(std::size_t kernel, std::array<unsigned, 2> blocks, unsigned threads, std::size_t shared_bytes,
              std::span<void* const> arguments) const;

 private:
  std::vector<void*> functions_;  // never unloaded: the context may be gone before us
  void* launch_ = nullptr;        // cuLaunchKernel
  at::Device device_{at::kCPU};
};

}  // namespace mimicfleet::nn
