#pragma once

#include <cstdint>
#include <string>

#include <c10/core/Device.h>

#include "common/status.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet::device {

// What a worker computes on.
struct Device {
  at::Device device{at::kCPU};
  std::string name = "cpu";                            // "cuda:0"
  jobs::Precision precision = jobs::Precision::kFp32;  // never kAuto
  jobs::NumericsClass numerics;
  std::uint64_t memory_bytes = 0;  // of a GPU, what may be used of it; 0: not known
  bool fits_two = false;           // a task that is computed, and the conditioning of the next one
  bool fp8 = false;  // whether the UNet's linear layers can be computed in 8-bit floating point
};

// kFailedPrecondition for a device without `fp8`, saying what that takes.
[[nodiscard]] Status check_fp8(const Device& device);

[[nodiscard]] svd::Precision model_precision(const Device& device);

// Which of LibTorch's kernels this process uses from here on for models of this precision;
// open_device() does it.
void choose_kernels(jobs::Precision precision);

// Opens `wanted` (auto, cpu, cuda:N) for the calling thread and those that it starts. Before the
// first other use of LibTorch, because the CUDA half is loaded here, and only if a GPU is wanted
// and there. `threads` 0: all physical cores. kFailedPrecondition says what a GPU lacks.
// MIMICFLEET_GPU_MEMORY_LIMIT (such as 20G) is the most that the models and what they compute may
// take of a GPU.
[[nodiscard]] Result<Device> open_device(const std::string& wanted, jobs::Precision precision,
                                         int threads);

}  // namespace mimicfleet::device
