#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/parameters.h"

namespace mimicfleet::jobs {

// A clip of a film.
struct FilmClip {
  std::string name;         // for messages
  std::int64_t frames = 0;  // the reference included; 0: not known yet
};

// How neighbouring clips of a film are joined.
struct Joining {
  std::int64_t interp_frames = 0;
  std::int64_t crossfade_frames = 0;
  InterpMode mode = InterpMode::kLinear;
  bool drop_later_references =
      false;  // the first frame of every clip but the first is left out before joining

  explicit Joining(const Parameters& parameters);

  // kInvalidArgument naming the clip that is the first to be too short, its frames and what is
  // possible. Clips whose frames are not known are taken to be long enough.
  [[nodiscard]] Status check(const std::vector<FilmClip>& clips) const;

  // The frames of a film of these clips, all of them known. Codes of check().
  [[nodiscard]] Result<std::int64_t> film_frames(const std::vector<FilmClip>& clips) const;

 private:
  // What of a clip is joined.
  [[nodiscard]] std::int64_t joined_frames(const std::vector<FilmClip>& clips,
                                           std::size_t position) const;
};

}  // namespace mimicfleet::jobs
