#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/weights/tensor_set.h"

// LoRA files (Hu et al. 2021, https://arxiv.org/abs/2106.09685) in the layouts that people have.
namespace mimicfleet::weights {

// What one LoRA does to one weight: weight += alpha / rank * up @ down, all as matrices of [out,
// rest].
struct LoraUpdate {
  std::string parameter;          // "mid_block.attentions.0.proj_in.weight"
  TensorView down;                // [r, in, kernel…]
  TensorView up;                  // [out, r, 1…]
  std::optional<TensorView> mid;  // [r, r, kernel…] between them (LoCon); then `down` has no kernel
  std::optional<TensorView> alpha;  // one number; without it alpha is the rank

  [[nodiscard]] std::int64_t rank() const { return down.shape[0]; }
};

using ParameterShapes = std::map<std::string, std::vector<std::int64_t>, std::less<>>;

// The updates of a LoRA file for a model with these parameters, sorted by parameter. Layouts, each
// with or without the prefixes `unet.` and `base_model.model.`:
//   peft, diffusers   MODULE.lora_A.weight, MODULE.lora_B.weight, also with an adapter's name
//   before .weight older diffusers   MODULE.lora.down.weight, MODULE.lora.up.weight attention
//   processors   ATTENTION.processor.to_q_lora.down.weight kohya
//   lora_unet_MODULE_WITH_UNDERSCORES.lora_down.weight, .lora_up.weight, .alpha
// kBadInput with the remedy: keys that match nothing (the first five, each with the nearest real
// name), half an update, two for one weight, shapes that do not fit, a file without any, NaN.
// `origin` is for the message.
[[nodiscard]] Result<std::vector<LoraUpdate>> read_lora(const TensorSet& tensors,
                                                        const ParameterShapes& parameters,
                                                        std::string_view origin);

// The same by names, types and shapes alone: no number is read. Without `parameters`, where the
// model is not at hand, any module is taken for one of its.
[[nodiscard]] Status check_lora(const TensorSet& tensors, const ParameterShapes* parameters,
                                std::string_view origin);

// The prefix below which the set holds a complete UNet ("" or "unet."), or nothing: it holds
// something else.
[[nodiscard]] std::optional<std::string_view> whole_unet_prefix(const TensorSet& tensors);

// Whether a name of the set is one that only LoRAs have.
[[nodiscard]] bool looks_like_lora(const TensorSet& tensors);

}  // namespace mimicfleet::weights
