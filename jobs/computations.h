#pragma once

#include <cstdint>

#include "common/enum_names.h"

namespace mimicfleet::jobs {

using mimicfleet::to_string;

// What an attempt computes and counts, unless it came out of the feature cache (TaskResult::calls).
enum class Computation : std::uint8_t {
  kVideoDecode,
  kImageDecode,
  kDetector,
  kClip,
  kVaeEncode,
};
constexpr EnumNames<Computation, 5> enum_names(Computation) {
  return {{{Computation::kVideoDecode, "video_decode"},
           {Computation::kImageDecode, "image_decode"},
           {Computation::kDetector, "detector"},
           {Computation::kClip, "clip"},
           {Computation::kVaeEncode, "vae_encode"}}};
}

}  // namespace mimicfleet::jobs
