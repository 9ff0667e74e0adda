#pragma once

#include <optional>
#include <vector>

#include "common/files/stable_file.h"
#include "jobs/parameters.h"
#include "worker/stages/input_files.h"

namespace mimicfleet::stages {

// How a task wants its UNet: the files that it names, opened and known to be what they were when
// the job was made.
struct UnetAdaptation {
  struct Lora {
    StableFile file;
    double scale = 1;
  };
  Digest key;  // jobs::unet_key()
  std::optional<StableFile> overlay;
  std::vector<Lora> loras;
  bool fp8 = false;
};

// `diffusion`: of the model set. Codes of InputFiles::open_input().
[[nodiscard]] Result<UnetAdaptation> open_adaptation(const InputFiles& inputs,
                                                     const Digest& diffusion,
                                                     const jobs::Parameters& parameters);

}  // namespace mimicfleet::stages
