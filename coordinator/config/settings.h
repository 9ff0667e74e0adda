#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "jobs/settings.h"

// Where values of settings come from, and which one counts.
namespace mimicfleet::coordinator {

// A value as a user wrote it: in a flag, a preset, a manifest, a config or defaults.yaml.
struct SettingValue {
  const jobs::Setting* setting = nullptr;
  std::string text;
  std::string where;  // "--steps", "config.yaml: line 7: steps"
};

// Values of one source, such as all flags.
struct SettingLayer {
  std::string source;  // flag, manifest, config, defaults
  std::vector<SettingValue> values;
};

struct ResolvedSettings {
  jobs::Parameters
      parameters;  // without loras and unet_overlay, whose files have to be found first
  std::map<std::string, std::vector<std::string>, std::less<>>
      texts;  // of settings that keep them, by name
  std::map<std::string, std::string>
      provenance;  // setting name -> source, "built-in" if nobody set it
};

// What a path is set to when there shall be none although another source names one.
inline constexpr std::string_view kNoFile = "none";

// Applies the layers, lowest precedence first, and checks the result as a whole. A list of one
// layer replaces that of the layers before. With a LoRA or a UNet overlay the scheduler is lcm
// unless somebody says otherwise. kInvalidArgument naming the place, the value and what is
// possible.
[[nodiscard]] Result<ResolvedSettings> resolve_settings(std::span<const SettingLayer> layers);

// The layer of a model set's defaults.yaml, which may have a notice beside settings; an unknown key
// is an error with the nearest known one.
[[nodiscard]] Result<SettingLayer> defaults_layer(
    const std::map<std::string, std::string>& defaults);

}  // namespace mimicfleet::coordinator
