#pragma once

#include <string>

#include "common/status.h"

namespace mimicfleet::coordinator {

// What the updates of a LoRA file are multiplied by before any scale of the user's. PEFT keeps it
// beside the file, in adapter_config.json (lora_alpha / r, or by the root of r with use_rslora);
// newer diffusers in the file's own header. 1 when neither is there or the file has alphas of its
// own. kBadInput naming the file for what such a number cannot express: factors for single modules,
// DoRA, and methods other than LoRA.
[[nodiscard]] Result<double> lora_scaling(const std::string& path);

}  // namespace mimicfleet::coordinator
