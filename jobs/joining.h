#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/parameters.h"

namespace mimicfleet::jobs {

// A clip of a concatenated video.
struct ConcatClip {
  std::string name;         // for messages
  std::int64_t frames = 0;  // the reference included; 0: not known yet
};

// How neighbouring clips of a concatenated video are joined.
struct Joining {
  std::int64_t interp_frames = 0;
  std::int64_t crossfade_frames = 0;
  InterpMode mode = InterpMode::kLinear;
  // The first frame of every clip but the first is left out before joining.
  bool drop_later_references = false;

  explicit Joining(const Parameters& parameters);

  // kInvalidArgument naming the clip that is the first to be too short, its frames and what is
  // possible. Clips whose frames are not known are taken to be long enough.
  [[nodiscard]] Status check(const std::vector<ConcatClip>& clips) const;

  // The frames of a concatenated video of these clips, all of them known. Codes of check().
  [[nodiscard]] Result<std::int64_t> concat_frames(const std::vector<ConcatClip>& clips) const;

 private:
  // What of a clip is joined.
  [[nodiscard]] std::int64_t joined_frames(const std::vector<ConcatClip>& clips,
                                           std::size_t position) const;
};

}  // namespace mimicfleet::jobs
