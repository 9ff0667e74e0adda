#pragma once

#include <memory>
#include <string>

#include "common/status.h"
#include "worker/gpu/gpu_monitor.h"

namespace mimicfleet::gpu {

inline constexpr const char* kNvml = "libnvidia-ml.so.1";  // comes with the driver

// The GPU at this PCI address ("0000:1b:00.0", as CUDA names it: its numbers follow
// CUDA_VISIBLE_DEVICES, NVML's do not), watched through NVIDIA's management library, which is
// opened now. kFailedPrecondition says what is missing.
[[nodiscard]] Result<std::unique_ptr<Monitor>> open_nvml(const std::string& pci_address,
                                                         const char* library = kNvml);

}  // namespace mimicfleet::gpu
