#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "common/wire/value.h"
#include "jobs/keys.h"
#include "jobs/parameters.h"

// The one table of the settings of a generated video. Flags, config keys, manifest columns and
// defaults.yaml name these settings. Ranges, cache keys and abilities come from the table, too.
//
// A new parameter is a member of Sampling or Parameters, a row of this table and the code that uses
// it.
namespace mimicfleet::jobs {

struct Setting {
  std::string_view name;                 // of the member of Parameters, as records spell it
  std::string flag;                      // without the leading dashes; empty: only in files
  std::vector<std::string_view> others;  // further spellings
  std::string_view value;                // name of the flag's value in --help
  std::string_view help;
  // kInvalidArgument: what is wrong with the text. The caller adds the setting's name.
  Status (*set)(Parameters&, std::string_view text);

  // Of a setting that is no plain value: `set` only checks the text, and the reader of the settings
  // keeps it.
  bool keeps_text = false;
  bool repeats = false;  // may be given several times in one source: a list
  bool is_path = false;
  bool of_scripts = false;  // a constant that the Python scripts have a flag for; rarely set

  bool of_decode = false;  // no latents depend on it, only what is decoded from them
  // Null for what has no member of its own.
  void (*copy)(const Parameters& from, Parameters& to) = nullptr;
  wire::Value (*value_in)(const Parameters&) = nullptr;

  // Where `compare` shows it: the heading of a column, or empty. What shares a column with a
  // setting before it is put behind that, after `joined_by`, unless it has its default.
  std::string_view column = {};
  std::string_view joined_by = {};

  // The number that must be between `least` and `most`. Null: no range is checked.
  std::optional<double> (*number)(const Parameters&) = nullptr;
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();

  // Of a setting that the first version did not have, and that older programs pass over
  // (abilities.h).
  bool is_newer = false;
  bool (*is_default)(const Parameters&) = nullptr;
  // Of one that determines latents: adds it, so that only what differs from the default changes
  // keys.
  void (*add_to_latents_key)(KeyBuilder&, std::string_view name, const Parameters&) = nullptr;

  // What it is where nobody sets it; empty: none, or the help says it.
  [[nodiscard]] std::string default_text() const;
  // What it is here, as the flag takes it; of one that has `value_in`.
  [[nodiscard]] std::string text(const Parameters& parameters) const;
  [[nodiscard]] std::string shown() const;  // "--steps", or the name of what stands only in files
};

[[nodiscard]] std::span<const Setting> settings();

// By flag, name or other spelling; '-' and '_' are the same. Null if there is none.
[[nodiscard]] const Setting* find_setting(std::string_view name);

// Every spelling with underscores, for "did you mean".
[[nodiscard]] std::vector<std::string> setting_names();

// The value of a switch's text, which `set` has accepted.
[[nodiscard]] bool is_true(std::string_view text);

}  // namespace mimicfleet::jobs
