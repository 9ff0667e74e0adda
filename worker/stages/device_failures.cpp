#include "worker/stages/device_failures.h"

#include <fmt/format.h>

namespace mimicfleet::stages {

Verdict DeviceFailures::judge(const PartEnd& end) {
  const bool cancelled = end.status.code() == StatusCode::kCancelled;
  if (!end.device_works) {
    end_of_process_ = {StatusCode::kUnavailable, fmt::format("{} does nothing any more for this process: {}",
                                                             end.device, end.status.message())};
    return {end_of_process_};
  }
  if (end.shortages == 0) return {end.status};
  const int told = end.status.code() == StatusCode::kResourceExhausted ? 1 : 0;
  const Status failure = end.status.ok() || cancelled ? computed_otherwise() : end.status;
  const Status status(StatusCode::kResourceExhausted,
                      fmt::format("{}; give {} to this worker alone, or use a smaller --resolution, "
                                  "--num-frames or --decode-chunk-size, or --precision fp16",
                                  failure.message(), end.device));
  if (++short_in_a_row_ >= 2 || end.shortages > told) end_of_process_ = status;
  return {cancelled ? end.status : status, true};
}

Status computed_otherwise() {
  return {StatusCode::kInternal,
          "too little device memory for the kernels that come first, and what others compute may differ in "
          "its bytes"};
}

}  // namespace mimicfleet::stages
