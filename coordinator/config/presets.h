#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

// Settings that go together, under one name. What a user sets himself wins over them; they win over
// a manifest, a config and the models' defaults.
namespace mimicfleet::coordinator {

struct Preset {
  std::string_view name;
  std::string_view help;
  std::vector<std::pair<std::string_view, std::string_view>> values;  // setting and text
};

[[nodiscard]] std::span<const Preset> presets();

// "quality, turbo or preview"
[[nodiscard]] std::string preset_names();

// Its settings, as those of the source "preset NAME"; of an empty name none. kInvalidArgument:
// there is no such preset.
[[nodiscard]] Result<SettingLayer> preset_layer(std::string_view name);

// Whether a setting with this provenance was set by a preset.
[[nodiscard]] bool is_of_preset(std::string_view source);

}  // namespace mimicfleet::coordinator
