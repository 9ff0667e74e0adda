#pragma once

#include <span>
#include <vector>

#include "common/status.h"
#include "worker/models/pose/pose.h"

namespace mimicfleet::pose {

// How the driving poses are fitted to the reference person.
enum class RetargetMode {
  kGraft,  // UniSignMimicTurbo's (dwpose/preprocess0.py): the reference body keeps its place, arms,
           // hands and face follow the video
  kRescale,  // MimicMotion's (dwpose/preprocess.py): the video's persons, scaled and moved by one
             // linear fit
};

// The 18 joints with the neck between the shoulders, face and hands, in units of the frame
// (dwpose/wholebody.py, dwpose/dwpose_detector.py).
[[nodiscard]] DrawablePose to_drawable(const FramePose& pose);

// The sequence that drives the generation: first the reference's own pose, then one pose for each
// driving frame, fitted by linear regression over the joints that the reference shows and the
// driving frames with exactly one person. All driving frames have one size. kBadInput, for the
// caller to prefix with the file's name: there is no driving frame with exactly one person, or the
// reference shows no joint that the fit uses.
[[nodiscard]] Result<std::vector<DrawablePose>> retarget(const FramePose& reference,
                                                         std::span<const FramePose> driving,
                                                         RetargetMode mode);

}  // namespace mimicfleet::pose
