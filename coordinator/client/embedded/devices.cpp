#include "coordinator/client/embedded/devices.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "common/config/device_name.h"
#include "common/files/list_folder.h"

namespace mimicfleet::coordinator {
std::size_t visible_gpus(const char* cuda_visible_devices, std::size_t present) {
  if (cuda_visible_devices == nullptr) return present;
  std::string_view rest = cuda_visible_devices;
  std::size_t count = 0;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find(','));
    if (name.empty() || name.front() == '-') break;  // CUDA ignores what follows an invalid entry
    ++count;
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return std::min(count, present);
}

std::size_t present_gpus() {
  const auto gpus = list_folder("/proc/driver/nvidia/gpus");
  return gpus.ok() ? gpus->size() : 0;
}

Result<std::vector<std::string>> worker_devices(const std::string& wanted, std::size_t workers,
                                                std::size_t gpus) {
  const auto named = config::parse_device_name(wanted);
  if (!named.ok()) return named.status().prefixed("--device");
  std::vector<std::string> devices;
  if (*named == "auto" && gpus > 0) {
    for (std::size_t i = 0; i < (workers == 0 ? gpus : workers); ++i)
      devices.push_back(fmt::format("cuda:{}", i % gpus));
    return devices;
  }
  devices.assign(std::max<std::size_t>(workers, 1), *named == "auto" ? "cpu" : *named);
  return devices;
}

}  // namespace mimicfleet::coordinator
