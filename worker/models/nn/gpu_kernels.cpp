#include "worker/models/nn/gpu_kernels.h"

#include <cstdlib>
#include <string>
#include <utility>

#include "common/log.h"
#include "worker/models/nn/float_kernels.h"
#include "worker/models/nn/gpu_launch.h"

namespace mimicfleet::nn {
namespace {

// Which kernels of our own may run: MIMICFLEET_GPU_KERNELS.
enum class AllowedKernels {
  kNone,      // "off"
  kPortable,  // "portable": those that run on any GPU
  kAll,
};

AllowedKernels allowed_kernels() {
  const char* wanted = std::getenv("MIMICFLEET_GPU_KERNELS");
  const std::string_view text = wanted == nullptr ? "" : wanted;
  if (text == "off") return AllowedKernels::kNone;
  return text == "portable" ? AllowedKernels::kPortable : AllowedKernels::kAll;
}

}  // namespace

KernelFile::KernelFile(std::string_view file, std::vector<std::string> kernels, ForGpus gpus)
    : file_(file),
      kernels_(std::move(kernels)),
      gpus_(gpus),
      half_(std::make_unique<Compiled>()),
      bfloat16_(std::make_unique<Compiled>()),
      float_(std::make_unique<Compiled>()) {}

void KernelFile::compile(const char* option, std::optional<GpuProgram>& program) const {
  const AllowedKernels allowed = allowed_kernels();
  const bool is_portable = gpus_.least <= kFromAmpere.least;
  if (allowed == AllowedKernels::kNone || (allowed == AllowedKernels::kPortable && !is_portable))
    return;
  const auto capability = compute_capability();
  if (!capability) return;
  const int number = 10 * capability->major + capability->minor;
  if (gpus_.alone ? number != gpus_.least : number < gpus_.least) return;
  auto compiled = GpuProgram::compile(file_, {option}, kernels_, gpus_.alone);
  if (compiled.ok()) {
    program = std::move(*compiled);
  } else {
    log::warn("going on without the kernels of {}: {}", file_,
              log::printable(compiled.status().message()));
  }
}

const GpuProgram* KernelFile::for_type(at::ScalarType type) const {
  Compiled& compiled = type == at::kHalf ? *half_ : type == at::kFloat ? *float_ : *bfloat16_;
  const char* option = type == at::kHalf ? "-DFP16" : type == at::kFloat ? "-DFP32" : "-DBF16";
  std::call_once(compiled.once, [&] { compile(option, compiled.program); });
  return compiled.program ? &*compiled.program : nullptr;
}

bool is_aligned(const at::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % (2 * kVector) == 0;
}

const void* data_of(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }

unsigned blocks_for(std::int64_t count, unsigned threads) {
  return static_cast<unsigned>((count + threads - 1) / threads);
}

const GpuProgram* program_for(const KernelFile& file, const at::Tensor& x, std::int64_t channels) {
  const bool serves = x.is_cuda() && is_half(x.scalar_type()) && x.numel() > 0 &&
                      channels % kVector == 0 && is_aligned(x);
  return serves ? file.for_type(x.scalar_type()) : nullptr;
}

bool is_half(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16; }

bool has_gpu_kernels(at::ScalarType type) {
  return is_half(type) && norm_kernels().for_type(type) != nullptr &&
         elementwise_kernels().for_type(type) != nullptr;
}

bool has_gpu_kernels(const at::Tensor& x) {
  return x.is_cuda() && has_gpu_kernels(x.scalar_type());
}

std::string_view gpu_kernel_set(at::ScalarType type) {
  if (!has_float_kernels() || (is_half(type) && !has_gpu_kernels(type))) return "-alone";
  if (!is_half(type)) return "";
  const auto capability = compute_capability();
  const bool hopper = capability && capability->major == 9 && capability->minor == 0;
  return hopper && product_kernels().for_type(type) == nullptr ? "-portable" : "";
}

}  // namespace mimicfleet::nn
