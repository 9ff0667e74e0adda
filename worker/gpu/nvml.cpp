#include "worker/gpu/nvml.h"

#include <fmt/format.h>

#include "worker/models/nn/shared_library.h"

namespace mimicfleet::gpu {
namespace {

// As in nvml.h, of which only this is used (docs.nvidia.com/deploy/nvml-api).
using Code = int;
constexpr Code kSuccess = 0;
constexpr int kTemperatureOfGpu = 0;
struct NvmlDevice;
struct NvmlMemory {
  unsigned long long total = 0;
  unsigned long long free = 0;
  unsigned long long used = 0;
};
struct NvmlUtilisation {
  unsigned gpu = 0;  // percent
  unsigned memory = 0;
};

struct Functions {
  Code (*initialize)();
  Code (*shut_down)();
  const char* (*error_text)(Code);
  Code (*find)(const char* pci_address, NvmlDevice** device);
  Code (*memory)(NvmlDevice*, NvmlMemory*);
  Code (*utilisation)(NvmlDevice*, NvmlUtilisation*);
  Code (*temperature)(NvmlDevice*, int sensor, unsigned* celsius);
  Code (*power)(NvmlDevice*, unsigned* milliwatts);
};

class Nvml final : public Monitor {
 public:
  Nvml(const Functions& nvml, NvmlDevice* device) : nvml_(nvml), device_(device) {}
  ~Nvml() override { nvml_.shut_down(); }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  // A GPU need not know everything: one that is shared (MIG) does not say how busy it is.
  Reading read() override {
    Reading reading;
    if (NvmlMemory memory; nvml_.memory(device_, &memory) == kSuccess) {
      reading.memory_used_bytes = static_cast<double>(memory.used);
      reading.memory_total_bytes = static_cast<double>(memory.total);
    }
    if (NvmlUtilisation percent; nvml_.utilisation(device_, &percent) == kSuccess) {
      reading.utilisation = percent.gpu / 100.0;
    }
    if (unsigned celsius = 0; nvml_.temperature(device_, kTemperatureOfGpu, &celsius) == kSuccess) {
      reading.temperature_celsius = celsius;
    }
    if (unsigned milliwatts = 0; nvml_.power(device_, &milliwatts) == kSuccess) {
      reading.power_watts = milliwatts / 1000.0;
    }
    return reading;
  }

 private:
  const Functions nvml_;
  NvmlDevice* const device_;
};

Status no_reading(const std::string& why) {
  return {StatusCode::kFailedPrecondition,
          fmt::format("the GPU's memory and use cannot be read: {}", why)};
}

}  // namespace

Result<std::unique_ptr<Monitor>> open_nvml(const std::string& pci_address, const char* library) {
  nn::SharedLibrary loaded{library};
  const Functions nvml = {
      loaded.function<Code()>("nvmlInit_v2"),
      loaded.function<Code()>("nvmlShutdown"),
      loaded.function<const char*(Code)>("nvmlErrorString"),
      loaded.function<Code(const char*, NvmlDevice**)>("nvmlDeviceGetHandleByPciBusId_v2"),
      loaded.function<Code(NvmlDevice*, NvmlMemory*)>("nvmlDeviceGetMemoryInfo"),
      loaded.function<Code(NvmlDevice*, NvmlUtilisation*)>("nvmlDeviceGetUtilizationRates"),
      loaded.function<Code(NvmlDevice*, int, unsigned*)>("nvmlDeviceGetTemperature"),
      loaded.function<Code(NvmlDevice*, unsigned*)>("nvmlDeviceGetPowerUsage"),
  };
  if (!loaded.loaded()) {
    return no_reading(fmt::format("{} is not there; it comes with NVIDIA's driver", library));
  }
  if (!loaded.missing().empty())
    return no_reading(fmt::format("{} has no {}", library, loaded.missing()));
  if (const Code code = nvml.initialize(); code != kSuccess)
    return no_reading(nvml.error_text(code));
  NvmlDevice* device = nullptr;
  if (const Code code = nvml.find(pci_address.c_str(), &device); code != kSuccess) {
    const std::string why = fmt::format("{}: {}", pci_address, nvml.error_text(code));
    nvml.shut_down();
    return no_reading(why);
  }
  return std::unique_ptr<Monitor>(std::make_unique<Nvml>(nvml, device));
}

}  // namespace mimicfleet::gpu
