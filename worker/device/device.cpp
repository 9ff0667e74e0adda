#include "worker/device/device.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include "common/config/byte_size.h"
#include "common/log.h"
#include "common/physical_cores.h"
#include "worker/device/cuda_driver.h"
#include "worker/models/nn/fp8.h"
#include "worker/models/nn/gpu_kernels.h"

namespace mimicfleet::device {
namespace {

// Real models hold 20 GB (576x1024, 72 frames) where one clip is sampled or decoded and the next
// one begun.
constexpr std::uint64_t kMemoryForTwo = std::uint64_t{30} << 30;

// "Intel(R) Xeon(R) Processor": kernels are chosen by it, so it is part of what results depend on.
std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    const auto colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string cpu_name() {
  std::string capability = at::get_cpu_capability();
  std::transform(capability.begin(), capability.end(), capability.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return fmt::format("cpu-{} {}", capability, cpu_model());
}

// How much may be used of the GPU. LibTorch's allocator reads this when its CUDA half is loaded,
// and has no other interface for programs that do not link to that half.
Result<std::uint64_t> limit_memory(const CudaDriver& driver, int index) {
  const std::uint64_t total = driver.total_bytes(index);
  const char* limit = std::getenv("MIMICFLEET_GPU_MEMORY_LIMIT");
  if (limit == nullptr) return total;
  const auto bytes = config::parse_byte_size(limit);
  if (!bytes.ok()) return bytes.status().prefixed("MIMICFLEET_GPU_MEMORY_LIMIT");
  if (total == 0 || *bytes >= total) return total;
  const char* given = std::getenv("PYTORCH_CUDA_ALLOC_CONF");
  const std::string settings = fmt::format(
      "{}{}per_process_memory_fraction:{:.6f}", given == nullptr ? "" : given,
      given == nullptr ? "" : ",", static_cast<double>(*bytes) / static_cast<double>(total));
  ::setenv("PYTORCH_CUDA_ALLOC_CONF", settings.c_str(), 1);
  log::info("at most {} of {:.1f} GB of the GPU", limit, static_cast<double>(total) / 1e9);
  return *bytes;
}

// Makes the device the calling thread's, so that nothing is put on another one, and uses it once:
// what is wrong with the driver or with the GPU comes out here.
Status try_device(at::Device device) {
  try {
    at::globalContext().lazyInitDevice(device.type());
    c10::impl::getDeviceGuardImpl(device.type())->setDevice(device);
    at::zeros({1}, device).to(at::kCPU);
    return {};
  } catch (const c10::Error& error) {
    return {
        StatusCode::kFailedPrecondition,
        fmt::format(
            "--device {}: it cannot be used: {}; another program may have taken it, or its driver "
            "is too old for this LibTorch (nvidia-smi shows both)",
            device.str(), error.what_without_backtrace())};
  }
}

Result<Device> open_gpu(const CudaDriver& driver, int index) {
  if (driver.count() == 0) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("--device cuda:{}: {}; give --device cpu, or auto to use what is there", index,
                    driver.why_none()));
  }
  if (index >= driver.count()) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("--device cuda:{}: the NVIDIA driver shows {} GPUs here; their numbers begin "
                    "with 0",
                    index, driver.count()));
  }
  ASSIGN_OR_RETURN(const std::uint64_t memory_bytes, limit_memory(driver, index));
  if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format(
            "--device cuda:{}: the CUDA half of LibTorch cannot be loaded ({}); run ./dev setup "
            "--cuda",
            index, ::dlerror()));
  }
  Device device;
  device.device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  device.name = fmt::format("cuda:{}", index);
  device.memory_bytes = memory_bytes;
  device.fits_two = memory_bytes >= kMemoryForTwo;
  device.precision = jobs::Precision::kFp16;
  device.numerics.device = driver.name(index);
  RETURN_IF_ERROR(try_device(device.device));
  return device;
}

Device open_cpu() {
  Device device;
  device.numerics.device = cpu_name();
  return device;
}

Result<Device> choose(const std::string& wanted) {
  if (wanted == "cpu") return open_cpu();
  const CudaDriver driver;
  if (wanted == "auto") {
    if (driver.count() == 0) return open_cpu();
    return open_gpu(driver, 0);
  }
  int index = 0;
  std::from_chars(wanted.data() + std::min<std::size_t>(5, wanted.size()),
                  wanted.data() + wanted.size(), index);
  return open_gpu(driver, index);
}

}  // namespace

// What the models compute has to be the same bytes in every process of a numerics class: no choice
// among kernels by how fast they were just now. With the half precisions, the nets that stay in
// float32 may round their factors to TensorFloat-32. fp32 is float32 throughout, and without cuDNN,
// whose convolutions (9.19, on Hopper) give wrong numbers at some shapes: they read their workspace
// before they write it. LibTorch's own are right, and faster.
void choose_kernels(jobs::Precision precision) {
  auto& context = at::globalContext();
  context.setBenchmarkCuDNN(false);
  context.setDeterministicCuDNN(true);
  context.setUserEnabledCuDNN(precision != jobs::Precision::kFp32);
  context.setAllowTF32CuDNN(precision != jobs::Precision::kFp32);
  context.setAllowTF32CuBLAS(precision != jobs::Precision::kFp32);
  // The first that serves a call is taken: cuDNN's attention is 1.6 times as fast as the next on a
  // Hopper GPU.
  const auto number = [](at::SDPBackend backend) { return static_cast<std::int64_t>(backend); };
  context.setSDPPriorityOrder({number(at::SDPBackend::cudnn_attention),
                               number(at::SDPBackend::flash_attention),
                               number(at::SDPBackend::efficient_attention),
                               number(at::SDPBackend::math), number(at::SDPBackend::overrideable)});
}

Status check_fp8(const Device& device) {
  if (device.fp8) return {};
  return {
      StatusCode::kFailedPrecondition,
      fmt::format(
          "--fp8: {} ({}) cannot do it: it takes a GPU of compute capability 8.9 or more, such as "
          "an "
          "H100, H200 or L40, with --precision fp16 or bf16 and without MIMICFLEET_GPU_KERNELS; "
          "leave --fp8 out",
          device.name, device.numerics.device)};
}

svd::Precision model_precision(const Device& device) {
  switch (device.precision) {
    case jobs::Precision::kBf16:
      return svd::Precision::kBf16;
    case jobs::Precision::kFp16:
      return svd::Precision::kFp16;
    default:
      return svd::Precision::kFp32;
  }
}

Result<Device> open_device(const std::string& wanted, jobs::Precision precision, int threads) {
  ASSIGN_OR_RETURN(Device device, choose(wanted));
  if (precision != jobs::Precision::kAuto) device.precision = precision;
  if (!device.device.is_cpu()) choose_kernels(device.precision);
  if (threads == 0) threads = static_cast<int>(physical_cores());
  at::set_num_threads(threads);
  device.numerics.library = "libtorch-" TORCH_VERSION;
  const at::ScalarType type = device.precision == jobs::Precision::kFp32   ? at::kFloat
                              : device.precision == jobs::Precision::kBf16 ? at::kBFloat16
                                                                           : at::kHalf;
  if (!device.device.is_cpu()) device.numerics.library += nn::gpu_kernel_set(type);
  device.fp8 =
      !device.device.is_cpu() && nn::can_fp8(type) && nn::try_fp8(device.device, type).ok();
  device.numerics.precision = to_string(device.precision);
  device.numerics.threads = threads;
  return device;
}

}  // namespace mimicfleet::device
