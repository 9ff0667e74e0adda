#pragma once

#include <string>

#include <c10/core/Device.h>

#include "common/status.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"

namespace mimicfleet::stages {

// What a worker computes on.
struct Device {
  at::Device device{at::kCPU};
  std::string name = "cpu";                            // "cuda:0"
  jobs::Precision precision = jobs::Precision::kFp32;  // never kAuto
  jobs::NumericsClass numerics;
};

// Opens `wanted` (auto, cpu, cuda:N) for the calling thread and those that it starts. Before the first other
// use of LibTorch, because the CUDA half is loaded here, and only if a GPU is wanted and there. `threads` 0:
// all physical cores. kFailedPrecondition says what a GPU lacks.
[[nodiscard]] Result<Device> open_device(const std::string& wanted, jobs::Precision precision, int threads);

}  // namespace mimicfleet::stages
