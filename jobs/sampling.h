#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/enum_names.h"

// What a user may set about the sampling of latents: part of a task's parameters, and what the
// sampler of the models takes. No other header of jobs is for the models.
namespace mimicfleet::jobs {

using mimicfleet::to_string;

enum class SchedulerKind { kEuler, kLcm };
constexpr EnumNames<SchedulerKind, 5> enum_names(SchedulerKind) {
  return {{{SchedulerKind::kEuler, "euler"},
           {SchedulerKind::kLcm, "lcm"},
           {SchedulerKind::kEuler,
            "eulerdiscretescheduler"},  // these as the original's scripts have them
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

[[nodiscard]] std::string to_string(
    const GuidanceInterval& interval);  // "0.2:0.8", as the flag takes it

// Defaults are the original's (configs/test.yaml).
struct Sampling {
  std::int32_t steps = 25;
  SchedulerKind scheduler = SchedulerKind::kEuler;
  LcmConstants lcm;             // of no meaning to euler
  double guidance_scale = 2.0;  // 1 or less: one UNet pass a step, no guidance
  std::optional<double>
      min_guidance_scale;              // of the first frame, from where it rises to the last one's
  GuidanceInterval guidance_interval;  // guided_steps() says which steps lie in it
  double noise_aug_strength = 0.0;
  std::uint64_t seed = 42;
  std::int32_t tile_frames =
      16;  // `--num-frames`: frames that the UNet sees at once; clamped to the clip
  std::int32_t tile_overlap = 6;
  std::int32_t motion_fps = 7;          // the UNet's fps condition
  std::int32_t motion_bucket_id = 127;  // the UNet's condition of how much is to move

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

// The steps that run the UNet with guidance: step i of n, if its middle (i + 1/2) / n lies in the
// interval, the interval's end not being part of it. None with a scale of 1 or less.
[[nodiscard]] StepRange guided_steps(const Sampling& sampling);

}  // namespace mimicfleet::jobs
