#include "worker/stages/device_failures.h"

#include <fmt/format.h>

namespace mimicfleet::stages {

Verdict DeviceFailures::judge(const PartEnd& end) {
  if (!end.device_works) {
    end_of_process_ = {StatusCode::kUnavailable, fmt::format("{} does nothing any more for this process: {}",
                                                             end.device, end.status.message())};
    return {end_of_process_, false, ""};
  }
  if (end.shortages == 0 || end.status.code() == StatusCode::kCancelled) return {end.status, false, ""};
  const std::string remedy = fmt::format(
      "give {} to this worker alone, or use a smaller --resolution, --num-frames or --decode-chunk-size, or "
      "--precision fp16",
      end.device);
  if (end.status.ok()) {
    return {{},
            false,
            fmt::format("{} had too little memory for the kernels that come first; others were taken, whose "
                        "results differ in their last bits: {} for the same bytes as elsewhere",
                        end.device, remedy)};
  }
  const Status status(StatusCode::kResourceExhausted, fmt::format("{}; {}", end.status.message(), remedy));
  if (++short_in_a_row_ >= 2) end_of_process_ = status;
  return {status, true, ""};
}

}  // namespace mimicfleet::stages
