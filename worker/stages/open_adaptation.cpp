#include "worker/stages/open_adaptation.h"

#include "jobs/keys.h"

namespace mimicfleet::stages {

Result<library::UnetAdaptation> open_adaptation(const InputFiles& inputs, const Digest& diffusion,
                                                const jobs::Parameters& parameters) {
  library::UnetAdaptation adaptation;
  adaptation.key = jobs::unet_key(diffusion, parameters);
  adaptation.fp8 = parameters.fp8;
  if (parameters.unet_overlay) {
    ASSIGN_OR_RETURN(adaptation.overlay, inputs.open_input(*parameters.unet_overlay));
  }
  for (const auto& lora : parameters.loras) {
    ASSIGN_OR_RETURN(StableFile file, inputs.open_input(lora.file));
    adaptation.loras.push_back({std::move(file), lora.scale});
  }
  return adaptation;
}

}  // namespace mimicfleet::stages
