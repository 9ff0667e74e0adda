#pragma once

#include <memory>
#include <vector>

#include "worker/runner/runner.h"
#include "worker/stages/latents_source.h"
#include "worker/stages/output_files.h"
#include "worker/stages/services.h"

namespace mimicfleet::stages {

// What a decode needs before it can compute: its latents on this host, and an output folder that is
// the client's.
struct DecodeInputs final : runner::Prepared {
  DecodeInputs(OutputFiles files, std::vector<LatentsSource> clips)
      : outputs(std::move(files)), latents(std::move(clips)) {}
  OutputFiles outputs;
  std::vector<LatentsSource> latents;  // of the clips, in order
};

// On the preparing thread. Codes of find_latents() and OutputFiles::open().
[[nodiscard]] Result<std::unique_ptr<DecodeInputs>> prepare_decode(const Services& services,
                                                                   const jobs::LeaseGrant& lease,
                                                                   runner::TaskContext& context);

// Latents become frames on their way into a video, and whatever else the output asks for. On
// LibTorch's thread. Memory does not grow with the number of clips. What is left is to end the
// video and to put all in place, its record last, for without it nothing counts. Nothing of another
// attempt is touched before.
[[nodiscard]] Result<runner::Outcome> run_decode(Services& services, library::LoadedModels& models,
                                                 const jobs::LeaseGrant& lease,
                                                 DecodeInputs& inputs,
                                                 runner::TaskContext& context);

}  // namespace mimicfleet::stages
