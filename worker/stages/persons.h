#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::stages {

// What the detector's answers mean for a clip. They stand above the pose estimator, which, as the
// original's, guesses somebody where it finds nobody: a whole clip of guesses would be noise under
// a good name.
//
// Each returns what the user is to be told, or kBadInput with the file: nobody is found in the
// reference image, or in no frame of the driving video. `stride`: of the sampled frames.
[[nodiscard]] Result<std::vector<std::string>> judge_reference(const pose::FramePose& reference,
                                                               const std::string& path);
[[nodiscard]] Result<std::vector<std::string>> judge_driving(
    std::span<const pose::FramePose> frames, std::int64_t stride, const std::string& path);

}  // namespace mimicfleet::stages
