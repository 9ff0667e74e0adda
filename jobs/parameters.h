#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "jobs/file_ref.h"
#include "jobs/sampling.h"

namespace mimicfleet::jobs {

enum class Retarget { kGraft, kRescale };
constexpr EnumNames<Retarget, 2> enum_names(Retarget) {
  return {{{Retarget::kGraft, "graft"}, {Retarget::kRescale, "rescale"}}};
}

enum class Precision { kAuto, kFp32, kBf16, kFp16 };
constexpr EnumNames<Precision, 4> enum_names(Precision) {
  return {{{Precision::kAuto, "auto"},
           {Precision::kFp32, "fp32"},
           {Precision::kBf16, "bf16"},
           {Precision::kFp16, "fp16"}}};
}

enum class DropReference { kNone, kFirst, kEach };
constexpr EnumNames<DropReference, 3> enum_names(DropReference) {
  return {{{DropReference::kNone, "none"},
           {DropReference::kFirst, "first"},
           {DropReference::kEach, "each"}}};
}

enum class InterpMode { kLinear, kSlerp };
constexpr EnumNames<InterpMode, 2> enum_names(InterpMode) {
  return {{{InterpMode::kLinear, "linear"}, {InterpMode::kSlerp, "slerp"}}};
}

enum class Compat { kViewer, kOriginal };
constexpr EnumNames<Compat, 2> enum_names(Compat) {
  return {{{Compat::kViewer, "viewer"}, {Compat::kOriginal, "original"}}};
}

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

// All settings of a generated video. Defaults are the original's (configs/test.yaml). settings.h
// has their names, flags and ranges.
struct Parameters : Sampling {
  // Pixels of the short side (the long one follows from 9:16, in multiples of 64), or an explicit
  // size.
  std::int32_t resolution = 576;
  std::int32_t width = 0;  // both 0: from `resolution` and the reference image's orientation
  std::int32_t height = 0;

  std::int32_t sample_stride = 2;
  std::int32_t max_pose_frames = 0;  // 0: all
  std::int32_t decode_chunk_size = 8;
  std::int32_t pose_canvas = 2160;  // short side of the canvas that poses are drawn on
  Retarget retarget = Retarget::kGraft;
  Precision precision = Precision::kAuto;
  // Linear layers of the UNet's transformers in 8-bit floating point, on GPUs that support it.
  bool fp8 = false;
  std::vector<Lora> loras;              // fused in this order
  std::optional<FileRef> unet_overlay;  // a whole UNet in place of the checkpoint's

  // Whether inputs are read as a viewer shows them or as the original reads them. It is in no key;
  // FileRef::reading is.
  Compat compat = Compat::kViewer;

  double fps = 15;  // of the output; 0: that of the driving video divided by its stride
  std::int32_t crf = 18;
  DropReference drop_reference = DropReference::kFirst;

  // Of videos joined from the latents of several clips.
  std::int32_t interp_frames = 0;  // put in between two clips
  InterpMode interp_mode = InterpMode::kLinear;
  // Frames in which the end of a clip and the beginning of the next one are mixed.
  std::int32_t crossfade_frames = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("resolution", self.resolution);
    field("width", self.width);
    field("height", self.height);
    Sampling::fields(self, field);
    field("sample_stride", self.sample_stride);
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

// kInvalidArgument: names the flag, its value and the possible values.
[[nodiscard]] Status validate(const Parameters& parameters);

}  // namespace mimicfleet::jobs
