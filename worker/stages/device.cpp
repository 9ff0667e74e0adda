#include "worker/stages/device.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include "common/log.h"
#include "common/physical_cores.h"

namespace mimicfleet::stages {
namespace {

// The CUDA driver's own interface: asking it first keeps LibTorch from throwing where there is no GPU.
class CudaDriver {
 public:
  CudaDriver() : library_(::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {
    const auto initialize = function<int(unsigned)>("cuInit");
    if (initialize == nullptr || initialize(0) != 0) return;
    const auto get_count = function<int(int*)>("cuDeviceGetCount");
    if (get_count != nullptr && get_count(&count_) != 0) count_ = 0;
  }

  [[nodiscard]] int count() const { return count_; }
  // Why there is no GPU, and what to do about it.
  [[nodiscard]] std::string why_none() const {
    if (library_ == nullptr) return "no NVIDIA driver is installed here (libcuda.so.1): install it";
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (visible == nullptr) return "the NVIDIA driver finds no GPU: see what nvidia-smi says";
    return fmt::format("the NVIDIA driver shows no GPU with CUDA_VISIBLE_DEVICES='{}': change it",
                       log::printable(visible));
  }
  [[nodiscard]] std::string name(int index) const {
    std::array<char, 256> text{};
    const auto get = function<int(int*, int)>("cuDeviceGet");
    const auto get_name = function<int(char*, int, int)>("cuDeviceGetName");
    int device = 0;
    if (get != nullptr && get_name != nullptr && get(&device, index) == 0) {
      get_name(text.data(), static_cast<int>(text.size()) - 1, device);
    }
    return text.data();
  }

 private:
  template <typename Function>
  [[nodiscard]] Function* function(const char* symbol) const {
    return library_ == nullptr ? nullptr : reinterpret_cast<Function*>(::dlsym(library_, symbol));
  }

  void* library_;  // never closed: the driver keeps threads
  int count_ = 0;
};

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

Result<Device> open_gpu(const CudaDriver& driver, int index) {
  if (driver.count() == 0) {
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("--device cuda:{}: {}; give --device cpu, or auto to use what is there", index,
                              driver.why_none()));
  }
  if (index >= driver.count()) {
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("--device cuda:{}: the NVIDIA driver shows {} GPUs here; their numbers begin "
                              "with 0",
                              index, driver.count()));
  }
  if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("--device cuda:{}: the CUDA half of LibTorch cannot be loaded ({}); run ./dev setup "
                    "--cuda",
                    index, ::dlerror()));
  }
  Device device;
  device.device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
  device.name = fmt::format("cuda:{}", index);
  device.precision = jobs::Precision::kFp16;
  device.numerics.device = driver.name(index);
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
  std::from_chars(wanted.data() + std::min<std::size_t>(5, wanted.size()), wanted.data() + wanted.size(),
                  index);
  return open_gpu(driver, index);
}

}  // namespace

Result<Device> open_device(const std::string& wanted, jobs::Precision precision, int threads) {
  ASSIGN_OR_RETURN(Device device, choose(wanted));
  if (precision != jobs::Precision::kAuto) device.precision = precision;
  if (threads == 0) threads = static_cast<int>(physical_cores());
  at::set_num_threads(threads);
  device.numerics.library = "libtorch-" TORCH_VERSION;
  device.numerics.precision = to_string(device.precision);
  device.numerics.threads = threads;
  return device;
}

}  // namespace mimicfleet::stages
