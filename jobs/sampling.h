#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/enum_names.h"

// Settings of the sampling of latents. They are a part of a task's parameters, and the sampler
// takes them as they are. worker/models includes no other header of jobs.
namespace mimicfleet::jobs {

using mimicfleet::to_string;

enum class SchedulerKind { kEuler, kLcm };
constexpr EnumNames<SchedulerKind, 5> enum_names(SchedulerKind) {
  return {{{SchedulerKind::kEuler, "euler"},
           {SchedulerKind::kLcm, "lcm"},
           // Names in the original's scripts.
           {SchedulerKind::kEuler, "eulerdiscretescheduler"},
           {SchedulerKind::kLcm, "animatelcm_svd"},
           {SchedulerKind::kLcm, "animatelcmsvdstochasticiterativescheduler"}}};
}

// Constants of the lcm scheduler, as the original's command line has them.
struct LcmConstants {
  std::int32_t train_timesteps = 40;  // the most steps that can be made
  double sigma_min = 0.002;
  double sigma_max = 700;
  double sigma_data = 1;
  double s_noise = 1;
  double rho = 7;
  bool clip_denoised = false;

  friend bool operator==(const LcmConstants&, const LcmConstants&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("lcm_num_train_timesteps", self.train_timesteps);
    field("scheduler_sigma_min", self.sigma_min);
    field("scheduler_sigma_max", self.sigma_max);
    field("scheduler_sigma_data", self.sigma_data);
    field("scheduler_s_noise", self.s_noise);
    field("scheduler_rho", self.rho);
    field("scheduler_clip_denoised", self.clip_denoised);
  }
};

// The part of a sampling that is guided, as shares of its steps (Kynkäänniemi et al. 2024,
// "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion
// Models").
struct GuidanceInterval {
  double begin = 0;
  double end = 1;

  friend bool operator==(const GuidanceInterval&, const GuidanceInterval&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("begin", self.begin);
    field("end", self.end);
  }
};

// As the flag takes it: "0.2:0.8".
[[nodiscard]] std::string to_string(const GuidanceInterval& interval);

// Defaults are the original's (configs/test.yaml).
struct Sampling {
  std::int32_t steps = 25;
  SchedulerKind scheduler = SchedulerKind::kEuler;
  LcmConstants lcm;             // euler does not use them
  double guidance_scale = 2.0;  // 1 or less: one UNet pass a step, no guidance
  // Guidance of the first frame; it rises to `guidance_scale` at the last one. None: it is the same
  // in all frames.
  std::optional<double> min_guidance_scale;
  GuidanceInterval guidance_interval;  // see guided_steps()
  double noise_aug_strength = 0.0;
  std::uint64_t seed = 42;
  // `--num-frames`: frames that the UNet sees at once, at most those of the clip.
  std::int32_t tile_frames = 16;
  std::int32_t tile_overlap = 6;
  std::int32_t motion_fps = 7;          // the UNet's fps condition
  std::int32_t motion_bucket_id = 127;  // the UNet's condition for the amount of motion

  friend bool operator==(const Sampling&, const Sampling&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("steps", self.steps);
    field("scheduler", self.scheduler);
    LcmConstants::fields(self.lcm, field);
    field("guidance_scale", self.guidance_scale);
    field("min_guidance_scale", self.min_guidance_scale);
    field("guidance_interval", self.guidance_interval);
    field("noise_aug_strength", self.noise_aug_strength);
    field("seed", self.seed);
    field("tile_frames", self.tile_frames);
    field("tile_overlap", self.tile_overlap);
    field("motion_fps", self.motion_fps);
    field("motion_bucket_id", self.motion_bucket_id);
  }
};

// Steps [begin, end) of a sampling, counted from 0.
struct StepRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;

  [[nodiscard]] std::int32_t count() const { return end - begin; }
  [[nodiscard]] bool has(std::int32_t step) const { return step >= begin && step < end; }
  friend bool operator==(const StepRange&, const StepRange&) = default;
};

// The steps with guidance: step i of n if its middle (i + 1/2) / n lies in the interval (without
// the interval's end). None with a scale of 1 or less.
[[nodiscard]] StepRange guided_steps(const Sampling& sampling);

}  // namespace mimicfleet::jobs
