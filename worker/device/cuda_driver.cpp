#include "worker/device/cuda_driver.h"

#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "common/check.h"
#include "common/log.h"
#include "worker/models/nn/shared_library.h"

namespace mimicfleet::device {

CudaDriver::CudaDriver() {
  nn::SharedLibrary driver{"libcuda.so.1"};
  const auto initialize = driver.function<int(unsigned)>("cuInit");
  const auto get_count = driver.function<int(int*)>("cuDeviceGetCount");
  get_ = driver.function<int(int*, int)>("cuDeviceGet");
  get_total_ = driver.function<int(std::size_t*, int)>("cuDeviceTotalMem_v2");
  get_name_ = driver.function<int(char*, int, int)>("cuDeviceGetName");
  get_pci_ = driver.function<int(char*, int, int)>("cuDeviceGetPCIBusId");
  installed_ = driver.loaded();
  if (!driver.missing().empty() || initialize(0) != 0 || get_count(&count_) != 0) count_ = 0;
}

std::string CudaDriver::why_none() const {
  if (!installed_) return "no NVIDIA driver is installed here (libcuda.so.1): install it";
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return "the NVIDIA driver finds no GPU: see what nvidia-smi says";
  return fmt::format("the NVIDIA driver shows no GPU with CUDA_VISIBLE_DEVICES='{}': change it",
                     log::printable(visible));
}

std::uint64_t CudaDriver::total_bytes(int index) const {
  CHECK(index < count_);
  int device = 0;
  std::size_t bytes = 0;
  return get_(&device, index) == 0 && get_total_(&bytes, device) == 0 ? bytes : 0;
}

std::string CudaDriver::name(int index) const {
  CHECK(index < count_);
  std::array<char, 256> text{};
  int device = 0;
  if (get_(&device, index) == 0) get_name_(text.data(), static_cast<int>(text.size()) - 1, device);
  return text.data();
}

std::string CudaDriver::pci_address(int index) const {
  CHECK(index < count_);
  std::array<char, 32> text{};
  int device = 0;
  if (get_(&device, index) == 0) get_pci_(text.data(), static_cast<int>(text.size()) - 1, device);
  return text.data();
}

}  // namespace mimicfleet::device
