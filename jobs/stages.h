#pragma once

#include <string_view>

namespace mimicfleet::jobs {

// What TaskProgress::stage may be beside the stages of StageTiming.
inline constexpr std::string_view kQueued =
    "queued";  // it waits for its worker to be done with another one
inline constexpr std::string_view kReported =
    "reported";  // its result is on its way to the coordinator

// The last stage: the video is being ended.
inline constexpr std::string_view kMux = "mux";

// False for a task that needs its worker's models no more: it keeps its lease, but nobody waits for
// it.
[[nodiscard]] inline bool takes_slot(std::string_view stage) {
  return stage != kMux && stage != kReported;
}

}  // namespace mimicfleet::jobs
