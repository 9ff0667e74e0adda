#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/av/video_writer.h"
#include "worker/stages/decode_video.h"
#include "worker/stages/saved_frames.h"

namespace mimicfleet::stages {

// A video whose frames are all on their way to the encoder.
struct DecodedVideo {
  av::VideoWriter writer;
  runner::TaskContext::OnCancel stops_writer;
  std::unique_ptr<SavedFrames> saved_frames;  // null: they are not asked for
  std::optional<std::string> latents;         // to be kept beside the video
  std::int32_t frames = 0;
  jobs::ModelSet models;
};

// Puts all that the attempt made in place, as long as it holds its lease, the video's record last;
// fills in `result`. On the finishing thread, without LibTorch.
[[nodiscard]] Status finish_video(const Services& services, const jobs::LeaseGrant& lease,
                                  const DecodeInputs& inputs, DecodedVideo& video,
                                  runner::TaskContext& context, jobs::TaskResult& result);

}  // namespace mimicfleet::stages
