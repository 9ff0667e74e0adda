#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "jobs/file_ref.h"

namespace mimicfleet::jobs {

enum class SchedulerKind { kEuler, kLcm };
enum class Retarget { kGraft, kRescale };
enum class Precision { kAuto, kFp32, kBf16, kFp16 };
enum class DropReference { kNone, kFirst, kEach };
enum class InterpMode { kLinear, kSlerp };
enum class Compat { kViewer, kOriginal };

[[nodiscard]] std::string_view to_string(SchedulerKind kind);
[[nodiscard]] std::string_view to_string(Retarget retarget);
[[nodiscard]] std::string_view to_string(Precision precision);
[[nodiscard]] std::string_view to_string(DropReference drop);
[[nodiscard]] std::string_view to_string(InterpMode mode);
[[nodiscard]] std::string_view to_string(Compat compat);

// Names as users and the original's scripts spell them, in any case: `EulerDiscreteScheduler`,
// `AnimateLCM_SVD`.
[[nodiscard]] std::optional<SchedulerKind> enum_from(std::string_view name, SchedulerKind*);
[[nodiscard]] std::optional<Retarget> enum_from(std::string_view name, Retarget*);
[[nodiscard]] std::optional<Precision> enum_from(std::string_view name, Precision*);
[[nodiscard]] std::optional<DropReference> enum_from(std::string_view name, DropReference*);
[[nodiscard]] std::optional<InterpMode> enum_from(std::string_view name, InterpMode*);
[[nodiscard]] std::optional<Compat> enum_from(std::string_view name, Compat*);

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

// Low-rank changes of the UNet's weights, added to them at `scale`.
struct Lora {
  FileRef file;
  double scale = 1.0;

  friend bool operator==(const Lora&, const Lora&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("file", self.file);
    field("scale", self.scale);
  }
};

// Everything that a user may set about a generated video. Defaults are the original's
// (configs/test.yaml).
struct Parameters {
  // Pixels of the short side (the long one follows from 9:16, in multiples of 64), or an explicit
  // size.
  std::int32_t resolution = 576;
  std::int32_t width = 0;  // both 0: from `resolution` and the reference image's orientation
  std::int32_t height = 0;

  std::int32_t steps = 25;
  SchedulerKind scheduler = SchedulerKind::kEuler;
  LcmConstants lcm;  // of no meaning to euler
  double guidance_scale = 2.0;
  GuidanceInterval guidance_interval;  // guided_steps() says which steps lie in it
  double noise_aug_strength = 0.0;
  std::uint64_t seed = 42;
  std::int32_t tile_frames = 16;  // `--num-frames`: frames that the UNet sees at once
  std::int32_t tile_overlap = 6;
  std::int32_t sample_stride = 2;
  std::int32_t motion_fps = 7;       // the UNet's fps condition
  std::int32_t max_pose_frames = 0;  // 0: all
  std::int32_t decode_chunk_size = 8;
  std::int32_t pose_canvas = 2160;  // short side of the canvas that poses are drawn on
  Retarget retarget = Retarget::kGraft;
  Precision precision = Precision::kAuto;
  bool fp8 =
      false;  // linear layers of the UNet's transformers in 8-bit floating point, on GPUs that can
  std::vector<Lora> loras;              // fused in this order
  std::optional<FileRef> unet_overlay;  // a whole UNet in place of the checkpoint's

  // Inputs are what a viewer shows, or what the original reads. In no key: FileRef::reading is.
  Compat compat = Compat::kViewer;

  double fps = 15;  // of the output; 0: that of the driving video divided by its stride
  std::int32_t crf = 18;
  DropReference drop_reference = DropReference::kFirst;

  // Of videos joined from the latents of several clips.
  std::int32_t interp_frames = 0;  // put in between two clips
  InterpMode interp_mode = InterpMode::kLinear;
  std::int32_t crossfade_frames =
      0;  // in which the end of a clip and the beginning of the next are one

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("resolution", self.resolution);
    field("width", self.width);
    field("height", self.height);
    field("steps", self.steps);
    field("scheduler", self.scheduler);
    LcmConstants::fields(self.lcm, field);
    field("guidance_scale", self.guidance_scale);
    field("guidance_interval", self.guidance_interval);
    field("noise_aug_strength", self.noise_aug_strength);
    field("seed", self.seed);
    field("tile_frames", self.tile_frames);
    field("tile_overlap", self.tile_overlap);
    field("sample_stride", self.sample_stride);
    field("motion_fps", self.motion_fps);
    field("max_pose_frames", self.max_pose_frames);
    field("decode_chunk_size", self.decode_chunk_size);
    field("pose_canvas", self.pose_canvas);
    field("retarget", self.retarget);
    field("precision", self.precision);
    field("fp8", self.fp8);
    field("loras", self.loras);
    field("unet_overlay", self.unet_overlay);
    field("compat", self.compat);
    field("fps", self.fps);
    field("crf", self.crf);
    field("drop_reference", self.drop_reference);
    field("interp_frames", self.interp_frames);
    field("interp_mode", self.interp_mode);
    field("crossfade_frames", self.crossfade_frames);
  }
};

// Steps [begin, end) of a sampling, counted from 0.
struct StepRange {
  std::int32_t begin = 0;
  std::int32_t end = 0;

  [[nodiscard]] std::int32_t count() const { return end - begin; }
  friend bool operator==(const StepRange&, const StepRange&) = default;
};

// The steps that run the UNet with guidance: step i of n, if its middle (i + 1/2) / n lies in the
// interval, the interval's end not being part of it. None with a scale of 1 or less.
[[nodiscard]] StepRange guided_steps(const Parameters& parameters);

// kInvalidArgument naming the flag, its value and what it may be.
[[nodiscard]] Status validate(const Parameters& parameters);

}  // namespace mimicfleet::jobs
