#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet::coordinator {

// How many GPUs this process may use: what CUDA_VISIBLE_DEVICES (null: not set) leaves of
// `present`.
[[nodiscard]] std::size_t visible_gpus(const char* cuda_visible_devices, std::size_t present);

// GPUs that the driver lists (/proc/driver/nvidia/gpus).
[[nodiscard]] std::size_t present_gpus();

// The device of each worker of an embedded run. `wanted`: auto, cpu, cuda or cuda:N; `workers` 0:
// one for each visible GPU, else one CPU worker. kInvalidArgument naming the flag.
[[nodiscard]] Result<std::vector<std::string>> worker_devices(const std::string& wanted,
                                                              std::size_t workers,
                                                              std::size_t gpus);

}  // namespace mimicfleet::coordinator
