#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/media/image.h"
#include "worker/formats/keypoints_bytes.h"
#include "worker/models/svd/pipeline.h"
#include "worker/runner/runner.h"
#include "worker/stages/frame_stream.h"
#include "worker/stages/services.h"

namespace mimicfleet::stages {

// What an encode needs before it can compute. Frames are decoded ahead while the task waits.
struct EncodeInputs final : runner::Prepared {
  // The latents, if they are in this worker's store already; then nothing else is here.
  std::optional<jobs::ArtefactRef> made;
  // One of the two: key points out of the cache, or frames to find them in.
  std::optional<formats::VideoKeypoints> keypoints;
  double keypoints_saved_seconds = 0;
  std::unique_ptr<FrameStream> frames;
  double open_seconds = 0;
  // One of the two: the prepared image out of the cache, or the image itself.
  std::optional<Features::Found> kept_reference;
  std::optional<media::Image> reference;
  double image_seconds = 0;
  library::UnetAdaptation adaptation;
  // Where the latents are kept for good; empty: nowhere.
  std::string kept_path;

  // What begin_encode() makes of the above.
  struct Conditions {
    at::Tensor poses;  // uint8 [F, 3, H, W], the reference's own first
    svd::ImageConditioning image;
    double source_fps = 0;
    std::vector<std::string> warnings;  // of the poses; they go with the latents
  };
  std::optional<Conditions> conditions;
  std::uint64_t peak_bytes = 0;  // of the GPU's memory, while they were made
};

// On the preparing thread. Latents that may be reused are looked for here and fetched from who
// holds them. Codes of InputFiles::open_input(), FrameStream::open(), media::read_image() and
// open_latents_target().
[[nodiscard]] Result<std::unique_ptr<EncodeInputs>> prepare_encode(const Services& services,
                                                                   const jobs::LeaseGrant& lease,
                                                                   runner::TaskContext& context);

// Driving video and reference image become what the sampling is conditioned on. Of inputs that are
// not `made`, on a thread of LibTorch. kBadInput: they cannot be used (nobody to be seen, and so
// on), naming the file.
[[nodiscard]] Status condition_encode(Services& services, library::LoadedModels& models,
                                      const jobs::LeaseGrant& lease, EncodeInputs& inputs,
                                      runner::TaskContext& context);

// What begin_encode() made becomes latents in the artefact store. On LibTorch's thread. What is
// left, if anything, is to write them in half precision into the file that keeps them. kBadInput:
// the models made numbers that are not finite, naming the file.
[[nodiscard]] Result<runner::Outcome> run_encode(Services& services, library::LoadedModels& models,
                                                 const jobs::LeaseGrant& lease,
                                                 EncodeInputs& inputs,
                                                 runner::TaskContext& context);

}  // namespace mimicfleet::stages
