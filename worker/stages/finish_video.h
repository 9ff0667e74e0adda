#pragma once

#include "common/av/video_writer.h"
#include "worker/stages/decode_video.h"

namespace mimicfleet::stages {

// A video whose frames are all on their way to the encoder.
struct DecodedVideo {
  av::VideoWriter writer;
  std::int32_t frames = 0;
  jobs::ModelSet models;
};

// Ends the video and writes its record; fills in `result`. On the finishing thread, without LibTorch.
[[nodiscard]] Status finish_video(const Services& services, const jobs::LeaseGrant& lease,
                                  const DecodeInputs& inputs, DecodedVideo& video,
                                  runner::TaskContext& context, jobs::TaskResult& result);

}  // namespace mimicfleet::stages
