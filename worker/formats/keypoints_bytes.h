#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/media/video.h"
#include "common/status.h"
#include "worker/formats/frame_warning.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::formats {

// The raw key points of a driving video's sampled frames, and what else of the video later stages
// need.
struct VideoKeypoints {
  std::vector<pose::FramePose> frames;   // all of one size
  media::Rational average_fps{};         // of the video; 0/1 when unknown
  std::int64_t stride = 1;               // of its frames
  std::vector<FrameWarning> warnings{};  // of its decoder
};

// As the feature cache keeps them (docs/cache_format.md).
[[nodiscard]] std::string keypoints_to_bytes(const VideoKeypoints& keypoints);
[[nodiscard]] Result<VideoKeypoints> keypoints_from_bytes(std::string bytes);

}  // namespace mimicfleet::formats
