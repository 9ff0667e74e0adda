#pragma once

#include <string>

#include "common/status.h"

namespace mimicfleet::coordinator {

// What can be said of a LoRA or a UNet overlay before anything runs, by its first bytes and the names and
// types in its header; workers read the rest. kBadInput naming the file, the cause and the remedy: an empty
// file, a Git LFS pointer, a web page or another kind of file; a safetensors file that is damaged, or whose
// numbers cannot be added to weights; a LoRA of another method, part or model; an overlay that is no UNet.
// Codes of open_for_reading(). A LoRA that is a whole UNet is none's fault: workers take it as an overlay.
[[nodiscard]] Status check_lora_file(const std::string& path);
[[nodiscard]] Status check_overlay_file(const std::string& path);

}  // namespace mimicfleet::coordinator
