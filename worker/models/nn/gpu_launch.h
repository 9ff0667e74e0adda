#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "worker/models/nn/gpu_program.h"

// What the functions of gpu_kernels.h are made of; only their sources include this.
namespace mimicfleet::nn {

inline constexpr int kVector = 8;          // channels that a thread takes at once: 16 bytes
inline constexpr unsigned kThreads = 256;  // of a block, where they share nothing
inline constexpr std::int64_t kMostBlocksInY = 65536;

// Which GPUs kernels are for, by ten times their compute capability.
struct ForGpus {
  int least = 0;
  bool alone = false;  // for those of `least` alone, with instructions that only these have
};
inline constexpr ForGpus kFromAmpere{80};
inline constexpr ForGpus kFromAda{89};
inline constexpr ForGpus kHopperAlone{90, true};

// The kernels of one source file, compiled at the first use for each type.
class KernelFile {
 public:
  KernelFile(std::string_view file, std::vector<std::string> kernels, ForGpus gpus = {});

  // Null if they are not allowed, not for this GPU, or do not compile, which is logged once.
  [[nodiscard]] const GpuProgram* for_type(at::ScalarType type) const;

 private:
  struct Compiled {
    std::once_flag once;
    std::optional<GpuProgram> program;
  };
  void compile(const char* option, std::optional<GpuProgram>& program) const;

  std::string_view file_;
  std::vector<std::string> kernels_;
  ForGpus gpus_;
  std::unique_ptr<Compiled> half_;
  std::unique_ptr<Compiled> bfloat16_;
  std::unique_ptr<Compiled> float_;
};

[[nodiscard]] const KernelFile& norm_kernels();
[[nodiscard]] const KernelFile& elementwise_kernels();
[[nodiscard]] const KernelFile& frame_kernels();
[[nodiscard]] const KernelFile& product_kernels();      // for Hopper
[[nodiscard]] const KernelFile& float_image_kernels();  // for float alone

// Null: the kernels do not serve `x`, whose last dimension or, of images, whose channels they go
// along.
[[nodiscard]] const GpuProgram* program_for(const KernelFile& file, const at::Tensor& x,
                                            std::int64_t channels);

// Of tokens [B, T, S, C] and an addend [B or 1, T or 1, C] or undefined: whether it is one, as the
// kernels read it, and to how many rows that follow each other a row of it belongs.
[[nodiscard]] bool is_addend_of_tokens(const at::Tensor& x, const at::Tensor& addend);
[[nodiscard]] std::int64_t rows_each(const at::Tensor& x, const at::Tensor& addend);

[[nodiscard]] bool is_aligned(const at::Tensor& x);
[[nodiscard]] const void* data_of(const at::Tensor& x);  // null for an undefined one
[[nodiscard]] unsigned blocks_for(std::int64_t count, unsigned threads);

}  // namespace mimicfleet::nn
