#include "worker/device/device_failures.h"

#include <fmt/format.h>

namespace mimicfleet::device {
namespace {

std::string remedy(const std::string& device) {
  return fmt::format(
      "give {} to this worker alone, or use a smaller --resolution, --num-frames or "
      "--decode-chunk-size, or "
      "--precision fp16",
      device);
}

}  // namespace

Status device_is_dead(const std::string& device, const Status& failure) {
  return {StatusCode::kUnavailable,
          fmt::format("{} does nothing any more for this process: {}", device, failure.message())};
}

std::string shortage_warning(const std::string& device) {
  return fmt::format(
      "{} had too little memory for kernels that come first; where others were taken, results "
      "differ in their last bits: {} for the same bytes as elsewhere",
      device, remedy(device));
}

Verdict DeviceFailures::judge(const PartEnd& end) {
  if (!end.device_works) {
    const Status dead = device_is_dead(end.device, end.status);
    end_process(dead);
    return {dead, false, ""};
  }
  if (end.shortages == 0 || end.status.code() == StatusCode::kCancelled)
    return {end.status, false, ""};
  if (end.status.ok()) return {{}, false, shortage_warning(end.device)};
  const Status status(StatusCode::kResourceExhausted,
                      fmt::format("{}; {}", end.status.message(), remedy(end.device)));
  if (++short_in_a_row_ >= 2) end_process(status);
  return {status, true, ""};
}

void DeviceFailures::end_process(const Status& why) {
  const MutexLock lock(mutex_);
  end_of_process_ = why;
}

Status DeviceFailures::end_of_process() const {
  const MutexLock lock(mutex_);
  return end_of_process_;
}

}  // namespace mimicfleet::device
