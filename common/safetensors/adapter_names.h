#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mimicfleet::safetensors {

// Why tensors of these names are no LoRA for a UNet, with the remedy: another method than LoRA, or
// an adapter of another part or model, told by what only such files call their tensors. Empty if no
// name tells.
[[nodiscard]] std::string why_no_lora(std::span<const std::string_view> names);

}  // namespace mimicfleet::safetensors
