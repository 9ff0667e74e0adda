#pragma once

#include <span>
#include <string_view>

// Kernels of our own in CUDA C++, kernels/*.cu, and the headers that they include, kernels/*.cuh:
// their text, which the build puts into the program.
namespace mimicfleet::nn {

struct GpuSource {
  std::string_view name;  // of the file, without folders
  const char* text;
};

[[nodiscard]] std::span<const GpuSource> gpu_sources();

}  // namespace mimicfleet::nn
