#include "worker/stages/driving_frames.h"

#include <algorithm>

#include "jobs/keys.h"

namespace mimicfleet::stages {

std::size_t deciding_frames(const jobs::Parameters& parameters) {
  if (parameters.max_pose_frames == 0 || parameters.retarget != jobs::Retarget::kGraft) return 0;
  // The reference's own pose is one of them, and a clip has at least one more.
  return static_cast<std::size_t>(std::max(parameters.max_pose_frames, 2)) - 1;
}

std::size_t length_for_fit(std::span<const pose::FramePose> frames, std::size_t least) {
  if (least == 0 || frames.size() <= least) return frames.size();
  const auto one = std::find_if(frames.begin(), frames.end(), [](const pose::FramePose& frame) {
    return frame.persons.size() == 1;
  });
  if (one == frames.end()) return frames.size();
  return std::max(least, static_cast<std::size_t>(one - frames.begin()) + 1);
}

Digest first_keypoints_feature(const Digest& keypoints, std::size_t frames) {
  return jobs::KeyBuilder("feature.first_keypoints.v1")
      .add("keypoints", keypoints)
      .add("frames", static_cast<std::int64_t>(frames))
      .finish();
}

}  // namespace mimicfleet::stages
