#include "jobs/parameters.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace mimicfleet::jobs {
namespace {

template <typename E>
using Names = std::span<const std::pair<E, std::string_view>>;

constexpr std::array<std::pair<SchedulerKind, std::string_view>, 5> kSchedulers = {{
    {SchedulerKind::kEuler, "euler"},
    {SchedulerKind::kLcm, "lcm"},
    {SchedulerKind::kEuler, "eulerdiscretescheduler"},
    {SchedulerKind::kLcm, "animatelcm_svd"},
    {SchedulerKind::kLcm, "animatelcmsvdstochasticiterativescheduler"},
}};
constexpr std::array<std::pair<Retarget, std::string_view>, 2> kRetargets = {
    {{Retarget::kGraft, "graft"}, {Retarget::kRescale, "rescale"}}};
constexpr std::array<std::pair<Precision, std::string_view>, 4> kPrecisions = {
    {{Precision::kAuto, "auto"},
     {Precision::kFp32, "fp32"},
     {Precision::kBf16, "bf16"},
     {Precision::kFp16, "fp16"}}};
constexpr std::array<std::pair<DropReference, std::string_view>, 3> kDrops = {
    {{DropReference::kNone, "none"},
     {DropReference::kFirst, "first"},
     {DropReference::kEach, "each"}}};
constexpr std::array<std::pair<InterpMode, std::string_view>, 2> kInterpModes = {
    {{InterpMode::kLinear, "linear"}, {InterpMode::kSlerp, "slerp"}}};

constexpr std::array<std::pair<Compat, std::string_view>, 2> kCompats = {
    {{Compat::kViewer, "viewer"}, {Compat::kOriginal, "original"}}};

template <typename E>
std::string_view name_of(Names<E> names, E value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "";
}

template <typename E>
std::optional<E> named(Names<E> names, std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const auto& [value, candidate] : names) {
    if (candidate == lower) return value;
  }
  return std::nullopt;
}

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
  return in_range("--steps", parameters.steps, 1, 1000);
}

Status lcm_fits(const LcmConstants& lcm) {
  RETURN_IF_ERROR(in_range("--lcm-num-train-timesteps", lcm.train_timesteps, 2, 1000));
  RETURN_IF_ERROR(in_range("--scheduler-sigma-min", lcm.sigma_min, 1e-6, 1e6));
  RETURN_IF_ERROR(in_range("--scheduler-sigma-max", lcm.sigma_max, lcm.sigma_min, 1e6));
  RETURN_IF_ERROR(in_range("--scheduler-sigma-data", lcm.sigma_data, 1e-6, 1e6));
  RETURN_IF_ERROR(in_range("--scheduler-s-noise", lcm.s_noise, 0, 100));
  return in_range("--scheduler-rho", lcm.rho, 0.1, 1000);
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

std::string_view to_string(SchedulerKind kind) { return name_of<SchedulerKind>(kSchedulers, kind); }
std::string_view to_string(Retarget retarget) { return name_of<Retarget>(kRetargets, retarget); }
std::string_view to_string(Precision precision) {
  return name_of<Precision>(kPrecisions, precision);
}
std::string_view to_string(DropReference drop) { return name_of<DropReference>(kDrops, drop); }
std::string_view to_string(InterpMode mode) { return name_of<InterpMode>(kInterpModes, mode); }
std::string_view to_string(Compat compat) { return name_of<Compat>(kCompats, compat); }
std::string to_string(const GuidanceInterval& interval) {
  return fmt::format("{}:{}", interval.begin, interval.end);
}
std::optional<SchedulerKind> enum_from(std::string_view name, SchedulerKind*) {
  return named<SchedulerKind>(kSchedulers, name);
}
std::optional<Retarget> enum_from(std::string_view name, Retarget*) {
  return named<Retarget>(kRetargets, name);
}
std::optional<Precision> enum_from(std::string_view name, Precision*) {
  return named<Precision>(kPrecisions, name);
}
std::optional<DropReference> enum_from(std::string_view name, DropReference*) {
  return named<DropReference>(kDrops, name);
}
std::optional<InterpMode> enum_from(std::string_view name, InterpMode*) {
  return named<InterpMode>(kInterpModes, name);
}

std::optional<Compat> enum_from(std::string_view name, Compat*) {
  return named<Compat>(kCompats, name);
}

StepRange guided_steps(const Parameters& parameters) {
  if (!(parameters.guidance_scale > 1)) return {};
  // A share such as 0.58 of 25 steps, which is 14.499999999999998, ends in the middle of one all
  // the same.
  constexpr double kRounding = 1e-9;
  const double steps = parameters.steps;
  const auto first_from = [&](double share) {
    const double step = share * steps - 0.5 - kRounding;
    return step > 0 ? static_cast<std::int32_t>(std::ceil(std::min(step, steps))) : 0;
  };
  const StepRange range{first_from(parameters.guidance_interval.begin),
                        first_from(parameters.guidance_interval.end)};
  return {range.begin, std::max(range.begin, range.end)};
}

Status validate(const Parameters& parameters) {
  RETURN_IF_ERROR(valid_size(parameters));
  RETURN_IF_ERROR(lcm_fits(parameters.lcm));
  RETURN_IF_ERROR(steps_fit(parameters));
  RETURN_IF_ERROR(loras_fit(parameters));
  RETURN_IF_ERROR(fp8_fits(parameters));
  RETURN_IF_ERROR(in_range("--guidance-scale", parameters.guidance_scale, 0, 100));
  RETURN_IF_ERROR(interval_fits(parameters.guidance_interval));
  RETURN_IF_ERROR(in_range("--noise-aug-strength", parameters.noise_aug_strength, 0, 10));
  RETURN_IF_ERROR(in_range("--num-frames", parameters.tile_frames, 2, 1024));
  RETURN_IF_ERROR(overlap_fits(parameters));
  RETURN_IF_ERROR(in_range("--sample-stride", parameters.sample_stride, 1, 1000));
  RETURN_IF_ERROR(in_range("--motion-fps", parameters.motion_fps, 1, 240));
  RETURN_IF_ERROR(in_range("--max-pose-frames", parameters.max_pose_frames, 0, 100000));
  RETURN_IF_ERROR(in_range("--decode-chunk-size", parameters.decode_chunk_size, 1, 1024));
  RETURN_IF_ERROR(in_range("pose_canvas", parameters.pose_canvas, 64, 4320));
  RETURN_IF_ERROR(in_range("--fps", parameters.fps, 0, 240));
  RETURN_IF_ERROR(in_range("--interp-frames", parameters.interp_frames, 0, 1000));
  RETURN_IF_ERROR(in_range("--crossfade-frames", parameters.crossfade_frames, 0, 1000));
  if (parameters.interp_frames > 0 && parameters.crossfade_frames > 0) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--crossfade-frames {} is not possible with --interp-frames {}: a join "
                        "either has frames "
                        "put in or is faded over; choose one",
                        parameters.crossfade_frames, parameters.interp_frames)};
  }
  return in_range("--crf", parameters.crf, 0, 51);
}

}  // namespace mimicfleet::jobs
