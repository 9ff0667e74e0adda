#pragma once

#include "jobs/parameters.h"
#include "worker/library/unet_adaptation.h"
#include "worker/stages/input_files.h"

namespace mimicfleet::stages {

// `diffusion`: of the model set. Codes of InputFiles::open_input().
[[nodiscard]] Result<library::UnetAdaptation> open_adaptation(const InputFiles& inputs,
                                                              const Digest& diffusion,
                                                              const jobs::Parameters& parameters);

}  // namespace mimicfleet::stages
