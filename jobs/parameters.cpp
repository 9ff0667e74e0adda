#include "jobs/parameters.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "jobs/settings.h"

namespace mimicfleet::jobs {
namespace {

Status in_range(std::string_view flag, double value, double low, double high) {
  if (std::isfinite(value) && value >= low && value <= high) return {};
  return {StatusCode::kInvalidArgument,
          fmt::format("{} {} is not possible: it must be {} to {}", flag, value, low, high)};
}

Status size_fits(std::string_view flag, std::int32_t pixels) {
  RETURN_IF_ERROR(in_range(flag, pixels, 64, 4096));
  if (pixels % 64 == 0) return {};
  const auto near = std::max(64, (pixels + 32) / 64 * 64);
  return {
      StatusCode::kInvalidArgument,
      fmt::format("{} {} is not accepted by the models: it must be a multiple of 64, such as {}",
                  flag, pixels, near)};
}

Status valid_size(const Parameters& parameters) {
  if ((parameters.width == 0) != (parameters.height == 0)) {
    return {StatusCode::kInvalidArgument, "--resolution WxH needs both a width and a height"};
  }
  if (parameters.width == 0) return size_fits("--resolution", parameters.resolution);
  RETURN_IF_ERROR(size_fits("--resolution: width", parameters.width));
  return size_fits("--resolution: height", parameters.height);
}

constexpr std::size_t kMostLoras = 16;
constexpr double kLargestLoraScale = 100;

// The lcm scheduler jumps between the time steps that the model was distilled for.
Status steps_fit(const Parameters& parameters) {
  const std::int32_t most = parameters.lcm.train_timesteps;
  if (parameters.scheduler == SchedulerKind::kLcm && parameters.steps > most) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--steps {} is not possible with the lcm scheduler: it must be 1 to {}",
                        parameters.steps, most)};
  }
  return {};
}

Status in_their_ranges(const Parameters& parameters) {
  for (const auto& setting : settings()) {
    const auto number = setting.number == nullptr ? std::nullopt : setting.number(parameters);
    if (number) RETURN_IF_ERROR(in_range(setting.shown(), *number, setting.least, setting.most));
  }
  return {};
}

Status fp8_fits(const Parameters& parameters) {
  if (!parameters.fp8 || parameters.precision != Precision::kFp32) return {};
  return {StatusCode::kInvalidArgument,
          "--fp8 is not possible with --precision fp32: give fp16 or bf16, or leave one of the two "
          "out"};
}

Status overlap_fits(const Parameters& parameters) {
  if (parameters.tile_overlap >= 0 && parameters.tile_overlap < parameters.tile_frames) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format("--frames-overlap {} is not possible with --num-frames {}: it must be 0 to {}",
                  parameters.tile_overlap, parameters.tile_frames, parameters.tile_frames - 1)};
}

Status interval_fits(const GuidanceInterval& interval) {
  if (interval.begin >= 0 && interval.begin < interval.end && interval.end <= 1) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "--guidance-interval {} is not possible: it must be A:B with 0 <= A < B <= 1, such as "
          "0.2:0.8",
          to_string(interval))};
}

Status loras_fit(const Parameters& parameters) {
  if (parameters.loras.size() > kMostLoras) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--lcm-lora-path: {} LoRAs are too many: at most {}",
                        parameters.loras.size(), kMostLoras)};
  }
  for (const auto& lora : parameters.loras) {
    RETURN_IF_ERROR(
        in_range("--lcm-lora-scale", lora.scale, -kLargestLoraScale, kLargestLoraScale));
  }
  return {};
}

}  // namespace

Status validate(const Parameters& parameters) {
  RETURN_IF_ERROR(valid_size(parameters));
  RETURN_IF_ERROR(in_their_ranges(parameters));
  RETURN_IF_ERROR(steps_fit(parameters));
  RETURN_IF_ERROR(
      in_range("--scheduler-sigma-max", parameters.lcm.sigma_max, parameters.lcm.sigma_min, 1e6));
  RETURN_IF_ERROR(in_range("--fps", parameters.fps, 0, 240));
  RETURN_IF_ERROR(loras_fit(parameters));
  RETURN_IF_ERROR(fp8_fits(parameters));
  RETURN_IF_ERROR(interval_fits(parameters.guidance_interval));
  RETURN_IF_ERROR(overlap_fits(parameters));
  if (parameters.interp_frames > 0 && parameters.crossfade_frames > 0) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--crossfade-frames {} is not possible with --interp-frames {}: a join "
                        "either has frames "
                        "put in or is faded over; choose one",
                        parameters.crossfade_frames, parameters.interp_frames)};
  }
  return {};
}

}  // namespace mimicfleet::jobs
