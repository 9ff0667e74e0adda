#pragma once

#include <string>

#include "common/status.h"
#include "common/weights/lora.h"

namespace mimicfleet::coordinator {

// What a LoRA or an overlay has to fit: names and shapes in a model's checkpoint. Codes of
// weights::open_torch_checkpoint().
[[nodiscard]] Result<weights::ParameterShapes> unet_parameters(const std::string& checkpoint);

// What can be said of a LoRA or a UNet overlay before anything runs, by names, types and shapes;
// numbers are left to workers. kBadInput naming the file, the cause and the remedy: what is no
// weights, or a download that was cut; a LoRA of another method, part or model; an overlay that is
// no UNet of these models. A LoRA that is a whole UNet is none's fault: workers take it as an
// overlay. `unet`: null where the models are not at hand. Codes of open_for_reading().
[[nodiscard]] Status check_lora_file(const std::string& path, const weights::ParameterShapes* unet);
[[nodiscard]] Status check_overlay_file(const std::string& path,
                                        const weights::ParameterShapes* unet);

}  // namespace mimicfleet::coordinator
