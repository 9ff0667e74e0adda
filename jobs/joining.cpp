#include "jobs/joining.h"

#include <optional>

#include <fmt/format.h>

namespace mimicfleet::jobs {
namespace {

// How many of a clip's ends meet another clip.
std::int64_t joined_ends(const std::vector<FilmClip>& clips, std::size_t position) {
  return (position == 0 ? 0 : 1) + (position + 1 == clips.size() ? 0 : 1);
}

Status nothing_left(const FilmClip& clip) {
  return {StatusCode::kInvalidArgument, fmt::format("{}: it has {} frames, of which the reference "
                                                    "is left out, so that nothing can be joined; "
                                                    "give --drop-reference-frames first",
                                                    clip.name, clip.frames)};
}

}  // namespace

Joining::Joining(const Parameters& parameters)
    : interp_frames(parameters.interp_frames),
      crossfade_frames(parameters.crossfade_frames),
      mode(parameters.interp_mode),
      drop_later_references(parameters.drop_reference == DropReference::kEach) {}

std::int64_t Joining::joined_frames(const std::vector<FilmClip>& clips,
                                    std::size_t position) const {
  return clips[position].frames - (position > 0 && drop_later_references ? 1 : 0);
}

Status Joining::check(const std::vector<FilmClip>& clips) const {
  std::optional<std::size_t> tightest;
  std::int64_t possible = crossfade_frames;
  for (std::size_t i = 0; i < clips.size(); ++i) {
    if (clips[i].frames == 0) continue;
    const std::int64_t frames = joined_frames(clips, i);
    if (frames < 1) return nothing_left(clips[i]);
    const std::int64_t ends = joined_ends(clips, i);
    if (ends == 0 || frames / ends >= possible) continue;
    possible = frames / ends;
    tightest = i;
  }
  if (!tightest) return {};
  const FilmClip& clip = clips[*tightest];
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "{}: its {} frames{} are too few for --crossfade-frames {}{}; give at most {}", clip.name,
          clip.frames,
          joined_frames(clips, *tightest) < clip.frames ? ", one of which is left out," : "",
          crossfade_frames, joined_ends(clips, *tightest) > 1 ? " at both ends" : "", possible)};
}

Result<std::int64_t> Joining::film_frames(const std::vector<FilmClip>& clips) const {
  RETURN_IF_ERROR(check(clips));
  std::int64_t total = 0;
  for (std::size_t i = 0; i < clips.size(); ++i) {
    total += joined_frames(clips, i) + (i == 0 ? 0 : interp_frames - crossfade_frames);
  }
  return total;
}

}  // namespace mimicfleet::jobs
