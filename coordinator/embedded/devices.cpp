#include "coordinator/embedded/devices.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

bool is_gpu(const std::string& device) {
  const std::string_view number = std::string_view(device).substr(std::min<std::size_t>(5, device.size()));
  return device.starts_with("cuda:") && !number.empty() && number.size() <= 3 &&
         std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

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
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

Result<std::vector<std::string>> worker_devices(const std::string& device, std::size_t workers,
                                                std::size_t gpus) {
  std::vector<std::string> devices;
  if (device == "auto" && gpus > 0) {
    for (std::size_t i = 0; i < (workers == 0 ? gpus : workers); ++i)
      devices.push_back(fmt::format("cuda:{}", i % gpus));
    return devices;
  }
  if (device == "auto" || device == "cpu") {
    devices.assign(std::max<std::size_t>(workers, 1), "cpu");
    return devices;
  }
  if (!is_gpu(device)) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--device: '{}' is not auto, cpu or cuda:N", log::printable(device)));
  }
  devices.assign(std::max<std::size_t>(workers, 1), device);
  return devices;
}

}  // namespace mimicfleet::coordinator
