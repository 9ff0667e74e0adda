#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "jobs/parameters.h"

// The one table of what a user may set about a generated video: flags, config keys, manifest
// columns and defaults.yaml all name the same settings.
namespace mimicfleet::coordinator {

struct Setting {
  std::string_view name;                 // of the member of jobs::Parameters, as records spell it
  std::string flag;                      // without the leading dashes; empty: only in files
  std::vector<std::string_view> others;  // further spellings
  std::string_view value;                // what the flag takes, for --help
  std::string_view help;
  // kInvalidArgument: what is wrong with the text, without naming the setting.
  Status (*set)(jobs::Parameters&, std::string_view text);
  // For what is no plain value: `set` only checks the text, ResolvedSettings::texts keeps it.
  bool keeps_text = false;
  bool repeats = false;  // may be given several times in one source: a list
  bool is_path = false;
  bool of_scripts =
      false;  // a constant that the Python scripts have a flag for, and hardly anybody sets
};

[[nodiscard]] std::span<const Setting> settings();

// By flag, name or other spelling; '-' and '_' are the same. Null if there is none.
[[nodiscard]] const Setting* find_setting(std::string_view name);

// Every spelling with underscores, for "did you mean".
[[nodiscard]] std::vector<std::string> setting_names();

// A value that somebody wrote somewhere.
struct SettingValue {
  const Setting* setting = nullptr;
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
