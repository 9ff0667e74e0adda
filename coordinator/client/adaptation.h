#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

namespace mimicfleet::coordinator {

// Finds the LoRAs and the UNet overlay that the settings name and puts them, by path, into the
// parameters. A LoRA is a file, a folder that holds one (`pytorch_lora_weights.safetensors`, its
// only one, or the one of lcm_weight_name), or a hub id in the local cache. Relative paths are
// tried below each of `folders` in turn. kNotFound and kInvalidArgument name the flag, what it
// says, and what is there. What the files hold is looked at later (weight_file.h).
[[nodiscard]] Status find_adaptation(ResolvedSettings& settings,
                                     const std::vector<std::string>& folders);

}  // namespace mimicfleet::coordinator
