#pragma once

#include <memory>
#include <vector>

#include "worker/runner/runner.h"
#include "worker/stages/latents_bytes.h"
#include "worker/stages/output_files.h"
#include "worker/stages/services.h"

namespace mimicfleet::stages {

// What a decode needs before it can compute: all latents, and an output folder that is the client's.
struct DecodeInputs final : runner::Prepared {
  explicit DecodeInputs(OutputFiles files) : outputs(std::move(files)) {}
  OutputFiles outputs;
  std::vector<Latents> latents;  // in the order of the task's needs
};

// On the preparing thread. kUnavailable with context.lost_inputs(): nobody could deliver these latents.
// Otherwise codes of OutputFiles::open().
[[nodiscard]] Result<std::unique_ptr<DecodeInputs>> prepare_decode(const Services& services,
                                                                   const jobs::LeaseGrant& lease,
                                                                   runner::TaskContext& context);

// Latents become a video and its record, and whatever else the output asks for. On LibTorch's thread. The
// record is written last; without it nothing counts.
[[nodiscard]] Result<jobs::TaskResult> run_decode(Services& services, LoadedModels& models,
                                                  const jobs::LeaseGrant& lease, DecodeInputs& inputs,
                                                  runner::TaskContext& context);

}  // namespace mimicfleet::stages
