#include "common/safetensors/adapter_names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::safetensors {
namespace {

enum class Place { kBegins, kHolds, kEnds };

struct Sign {
  Place place;
  std::string_view text;
  std::string_view what;
  std::string_view remedy;
};

constexpr std::string_view kMerge =
    "merge it into the UNet and give that as --unet-overlay, or train a LoRA";
constexpr std::string_view kOther = "take a LoRA that was made for Stable Video Diffusion's UNet";
constexpr std::string_view kStrip =
    "remove these tensors, or take a LoRA that was made for Stable Video Diffusion's "
    "UNet, which has no text encoder";
constexpr std::string_view kText = "of a text encoder";

// LyCORIS: github.com/KohakuBlueleaf/LyCORIS, lycoris/modules; PEFT: src/peft/tuners; kohya:
// networks/lora.py.
constexpr std::array kSigns = {
    Sign{Place::kHolds, "lora_magnitude_vector", "of DoRA", kMerge},
    Sign{Place::kEnds, ".dora_scale", "of DoRA", kMerge},
    Sign{Place::kHolds, ".hada_w1", "of LoHa", kMerge},
    Sign{Place::kHolds, ".hada_w2", "of LoHa", kMerge},
    Sign{Place::kHolds, ".hada_t1", "of LoHa", kMerge},
    Sign{Place::kHolds, ".hada_t2", "of LoHa", kMerge},
    Sign{Place::kHolds, ".lokr_", "of LoKr", kMerge},
    Sign{Place::kHolds, ".oft_", "of OFT", kMerge},
    Sign{Place::kHolds, "boft_", "of BOFT", kMerge},
    Sign{Place::kHolds, "ia3_", "of IA3", kMerge},
    Sign{Place::kEnds, ".on_input", "of IA3", kMerge},
    Sign{Place::kHolds, "vera_lambda", "of VeRA", kMerge},
    Sign{Place::kEnds, ".a1.weight", "of GLoRA", kMerge},
    Sign{Place::kEnds, ".b1.weight", "of GLoRA", kMerge},
    Sign{Place::kEnds, ".diff", "of whole differences (LyCORIS full)", kMerge},
    Sign{Place::kEnds, ".diff_b", "of whole differences (LyCORIS full)", kMerge},
    Sign{Place::kEnds, ".w_norm", "of norms (LyCORIS norm)", kMerge},
    Sign{Place::kEnds, ".b_norm", "of norms (LyCORIS norm)", kMerge},
    Sign{Place::kBegins, "lora_te", kText, kStrip},  // also lora_te1_, lora_te2_
    Sign{Place::kBegins, "text_encoder", kText, kStrip},
    Sign{Place::kBegins, "text_model.", kText, kStrip},
    Sign{Place::kBegins, "te.", kText, kStrip},
    Sign{Place::kBegins, "base_model.model.text_model.", kText, kStrip},
    Sign{Place::kBegins, "cond_stage_model.", kText, kStrip},
    Sign{Place::kBegins, "conditioner.", kText, kStrip},
    Sign{Place::kHolds, "emb_params", "of a textual inversion", kOther},
    Sign{Place::kHolds, "string_to_param", "of a textual inversion", kOther},
    Sign{Place::kBegins, "clip_l", "of a textual inversion", kOther},
    Sign{Place::kBegins, "clip_g", "of a textual inversion", kOther},
    Sign{Place::kBegins, "control_model.", "of a ControlNet", kOther},
    Sign{Place::kBegins, "controlnet_", "of a ControlNet", kOther},
    Sign{Place::kBegins, "input_hint_block.", "of a ControlNet", kOther},
    Sign{Place::kBegins, "vae.", "of a VAE", kOther},
    Sign{Place::kBegins, "first_stage_model.", "of a VAE", kOther},
    Sign{Place::kHolds, "double_blocks", "of a transformer (Flux)", kOther},
    Sign{Place::kBegins, "transformer.", "of a transformer", kOther},
    Sign{Place::kBegins, "lora_transformer_", "of a transformer", kOther},
    Sign{Place::kBegins, "lora_unet_input_blocks_", "of another UNet (Stable Diffusion XL)",
         kOther},
    Sign{Place::kBegins, "lora_unet_output_blocks_", "of another UNet (Stable Diffusion XL)",
         kOther},
    Sign{Place::kHolds, "motion_modules.", "of AnimateDiff's motion modules", kOther},
};

bool shows(const Sign& sign, std::string_view name) {
  switch (sign.place) {
    case Place::kBegins:
      return name.starts_with(sign.text);
    case Place::kHolds:
      return name.find(sign.text) != std::string_view::npos;
    case Place::kEnds:
      return name.ends_with(sign.text);
  }
  return false;
}

}  // namespace

std::string why_no_lora(std::span<const std::string_view> names) {
  for (const Sign& first : kSigns) {
    std::size_t count = 0;
    std::string_view example;
    for (const std::string_view name : names) {
      // All signs of one kind are counted together.
      const bool is_of_kind = std::any_of(kSigns.begin(), kSigns.end(), [&](const Sign& sign) {
        return sign.what == first.what && shows(sign, name);
      });
      if (is_of_kind && count++ == 0) example = name;
    }
    if (count == 0) continue;
    return fmt::format("{} of its {} tensors are {} (such as {}), which is not supported: {}",
                       count, names.size(), first.what, log::printable(example), first.remedy);
  }
  return "";
}

}  // namespace mimicfleet::safetensors
