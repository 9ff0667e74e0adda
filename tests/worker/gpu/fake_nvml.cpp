// What nvml.cpp uses of NVIDIA's management library: two GPUs, of which the second says little.
// FAKE_NVML=off: the driver is not loaded.
#include <cstdlib>
#include <cstring>

#include <strings.h>

struct NvmlDevice {
  const char* pci_address;
  bool says_all;
};
struct NvmlMemory {
  unsigned long long total, free, used;
};
struct NvmlUtilisation {
  unsigned gpu, memory;
};

namespace {

constexpr int kDriverNotLoaded = 9;
constexpr int kNotFound = 6;
constexpr int kNotSupported = 3;
NvmlDevice devices[] = {{"0000:1B:00.0", true}, {"0000:43:00.0", false}};

bool is_off() {
  const char* mode = std::getenv("FAKE_NVML");
  return mode != nullptr && std::strcmp(mode, "off") == 0;
}

}  // namespace

extern "C" {
int nvmlInit_v2() { return is_off() ? kDriverNotLoaded : 0; }
int nvmlShutdown() { return 0; }
const char* nvmlErrorString(int code) {
  return code == kDriverNotLoaded ? "Driver Not Loaded"
         : code == kNotFound      ? "Not Found"
                                  : "Not Supported";
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* address, NvmlDevice** device) {
  for (auto& each : devices) {
    if (strcasecmp(each.pci_address, address) != 0) continue;
    *device = &each;
    return 0;
  }
  return kNotFound;
}
int nvmlDeviceGetMemoryInfo(NvmlDevice*, NvmlMemory* memory) {
  *memory = {1000, 400, 600};
  return 0;
}
int nvmlDeviceGetUtilizationRates(NvmlDevice* device, NvmlUtilisation* utilisation) {
  if (!device->says_all) return kNotSupported;
  *utilisation = {75, 10};
  return 0;
}
int nvmlDeviceGetTemperature(NvmlDevice*, int, unsigned* celsius) {
  *celsius = 61;
  return 0;
}
int nvmlDeviceGetPowerUsage(NvmlDevice* device, unsigned* milliwatts) {
  if (!device->says_all) return kNotSupported;
  *milliwatts = 350500;
  return 0;
}
}
