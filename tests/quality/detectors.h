#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "worker/models/pose/pose.h"
#include "worker/models/pose/warp.h"

namespace mimicfleet::quality {

// What the pose models see in one frame of a video, in its pixels.
struct FrameReport {
  std::vector<pose::Box> boxes;  // persons, the most confident first; may be none
  pose::PersonKeypoints person;  // the most confident one; without a box of the whole frame
};

struct VideoReport {
  int width = 0;
  int height = 0;
  std::vector<FrameReport> frames;
};

// Every frame of a short video (all are in memory at once) through the pose models below `models`.
[[nodiscard]] Result<VideoReport> look_at(const std::string& models, const std::string& video);

}  // namespace mimicfleet::quality
