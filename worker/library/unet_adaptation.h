#pragma once

#include <optional>
#include <vector>

#include "common/digest.h"
#include "common/files/stable_file.h"

namespace mimicfleet::library {

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

}  // namespace mimicfleet::library
