#pragma once

// The kernels of gpu_kernels.h in CUDA C++, for half precision of either kind (-DBF16: bfloat16). Images are
// [n][position][channel]; a thread takes 8 channels at once (v: which eight).
namespace mimicfleet::nn {

extern const char* const kGpuSource;

}  // namespace mimicfleet::nn
