#include "worker/stages/persons.h"

#include <cstdint>

#include <fmt/format.h>

namespace mimicfleet::stages {
namespace {

Status nobody(const std::string& path, const std::string& cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", path, cause)};
}

// How many frames something is true of, and which is the first.
struct Count {
  std::int64_t frames = 0;
  std::int64_t first = 0;

  void add(std::int64_t frame) {
    if (frames++ == 0) first = frame;
  }
  [[nodiscard]] std::string text(std::size_t all) const {
    return fmt::format("in {} of {} frames of the driving video, first in frame {}", frames, all,
                       first);
  }
};

}  // namespace

Result<std::vector<std::string>> judge_reference(const pose::FramePose& reference,
                                                 const std::string& path) {
  if (reference.nobody) {
    return nobody(
        path,
        "nobody is found in this reference image; give a picture of one person, seen from the "
        "front and not too small");
  }
  std::vector<std::string> warnings;
  if (reference.persons.size() > 1) {
    warnings.push_back(fmt::format(
        "{} persons are found in the reference image {}; cut it to the one who is meant",
        reference.persons.size(), path));
  }
  return warnings;
}

Result<std::vector<std::string>> judge_driving(std::span<const pose::FramePose> frames,
                                               std::int64_t stride, const std::string& path) {
  Count empty;
  Count crowded;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto frame = static_cast<std::int64_t>(i) * stride;
    if (frames[i].nobody) empty.add(frame);
    if (frames[i].persons.size() > 1) crowded.add(frame);
  }
  if (!frames.empty() && empty.frames == static_cast<std::int64_t>(frames.size())) {
    return nobody(
        path,
        fmt::format("nobody is found in any of the {} frames that are used; give a video of one "
                    "person",
                    frames.size()));
  }
  std::vector<std::string> warnings;
  if (empty.frames > 0) {
    warnings.push_back(
        fmt::format("nobody is found {}; poses there are guesses", empty.text(frames.size())));
  }
  if (crowded.frames > 0) {
    warnings.push_back(
        fmt::format("several persons are found {}; cut the video to the one who is meant",
                    crowded.text(frames.size())));
  }
  return warnings;
}

}  // namespace mimicfleet::stages
