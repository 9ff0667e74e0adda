#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "coordinator/client/media_looks.h"
#include "coordinator/client/planner.h"

namespace mimicfleet::coordinator {

// What a plan comes to, before it starts.
struct Cost {
  std::map<std::string, std::int64_t>
      frames;  // of each clip that keeps its latents, the reference included
  std::size_t encodes = 0;
  std::size_t fetches = 0;  // encodes whose latents a worker holds
  std::int64_t encode_frames = 0;
  std::int64_t frame_steps = 0;  // sampling steps, times frames
  std::size_t videos = 0;
  std::int64_t video_frames = 0;
  std::optional<double> seconds;  // of one worker, going by the records that are there
};

// Takes the frames of the videos that have to be encoded from `looks`, which knows them since the
// plan was made, and reads records below the output folder.
[[nodiscard]] Cost estimate_cost(const RunPlan& plan, const std::string& output_dir,
                                 MediaLooks& looks);

// What a dry run prints: each clip and film with why it would be made, what somebody has of it, and
// how long all that would take.
[[nodiscard]] std::string plan_table(const RunPlan& plan, const Cost& cost);

}  // namespace mimicfleet::coordinator
