#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <c10/core/TensorOptions.h>

#include "common/status.h"
#include "common/weights/lora.h"
#include "worker/models/nn/load.h"
#include "worker/models/nn/scope.h"
#include "worker/models/svd/unet.h"

// Loading the UNet apart from the other models, and fusing LoRAs into it.
namespace mimicfleet::svd {

inline constexpr std::string_view kUnetPrefix = "unet.";  // of its keys in MimicMotion's checkpoint

// A UNet, and what a second one is made of that shares most of its memory. Never written to once it
// is there.
struct UnetWeights {
  UnetConfig config;
  at::TensorOptions options;
  nn::ParameterList parameters;
  nn::Memory memory;
  std::shared_ptr<const Unet> unet;
};

// `tensors` without prefix, of a checkpoint or of an overlay; `config`: path of unet/config.json;
// `origin` is for messages. Codes of read_unet_config() and nn::load_parameters().
[[nodiscard]] Result<std::shared_ptr<const UnetWeights>> load_unet(
    const std::string& config, const weights::TensorSet& tensors, const std::string& origin,
    at::TensorOptions options, const nn::MayBeIgnored& may_be_ignored = {});

struct LoraToFuse {
  const weights::TensorSet& tensors;
  std::string origin;  // for messages
  double scale = 1;
};

// A UNet whose weights are those of `base` plus what the LoRAs add, summed in float32 in their
// order and rounded once. Weights that no LoRA changes are shared with `base`. kBadInput of
// weights::read_lora(), or if a sum is too large for the type that the model computes in.
[[nodiscard]] Result<std::shared_ptr<const UnetWeights>> fuse_loras(
    const UnetWeights& base, std::span<const LoraToFuse> loras);

}  // namespace mimicfleet::svd
