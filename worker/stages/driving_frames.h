#pragma once

#include <cstddef>
#include <span>

#include "common/digest.h"
#include "jobs/parameters.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::stages {

// How many sampled frames of the driving video make a clip of these settings; 0: all. A grafted
// body takes place and size from the reference, so that frames past --max-pose-frames need not be
// looked at; a rescaled one is placed by a fit over all frames.
[[nodiscard]] std::size_t deciding_frames(const jobs::Parameters& parameters);

// The length of the shortest beginning of `frames` that has `least` of them and, for the fit, one
// with exactly one person; that of all frames if there is no such beginning, or if `least` is 0.
[[nodiscard]] std::size_t length_for_fit(std::span<const pose::FramePose> frames,
                                         std::size_t least);

// Names the key points of a video's first `frames` frames; `keypoints` those of all.
[[nodiscard]] Digest first_keypoints_feature(const Digest& keypoints, std::size_t frames);

}  // namespace mimicfleet::stages
