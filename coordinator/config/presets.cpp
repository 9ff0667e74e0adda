#include "coordinator/config/presets.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::string_view kSource = "preset ";

std::vector<Preset> make_presets() {
  return {
      {"quality",
       "the models' own weights in many steps",
       {{"steps", "25"}, {"scheduler", "euler"}, {"loras", kNoFile}, {"unet_overlay", kNoFile}}},
      {"turbo",
       "4 steps without guidance; give a LoRA or overlay that was distilled for few steps",
       {{"steps", "4"}, {"scheduler", "lcm"}, {"guidance_scale", "1"}}},
      {"preview",
       "the first 16 frames in 8 steps without guidance",
       {{"steps", "8"}, {"guidance_scale", "1"}, {"max_pose_frames", "17"}}},
  };
}

}  // namespace

std::span<const Preset> presets() {
  static const auto* const table = new std::vector<Preset>(make_presets());
  return *table;
}

std::string preset_names() {
  std::string names;
  for (std::size_t i = 0; i < presets().size(); ++i) {
    const char* const before = i == 0 ? "" : i + 1 == presets().size() ? " or " : ", ";
    names += fmt::format("{}{}", before, presets()[i].name);
  }
  return names;
}

Result<SettingLayer> preset_layer(std::string_view name) {
  SettingLayer layer{fmt::format("{}{}", kSource, name), {}};
  if (name.empty()) return layer;
  const auto preset = std::find_if(presets().begin(), presets().end(),
                                   [&](const Preset& candidate) { return candidate.name == name; });
  if (preset == presets().end()) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--preset {}: choose {}", log::printable(name), preset_names()));
  }
  for (const auto& [setting, text] : preset->values) {
    layer.values.push_back({jobs::find_setting(setting), std::string(text),
                            fmt::format("--preset {}: {}", name, setting)});
  }
  return layer;
}

bool is_of_preset(std::string_view source) { return source.starts_with(kSource); }

}  // namespace mimicfleet::coordinator
