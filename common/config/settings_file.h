#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::config {

// One line `key = value` of a settings file. A list has several values; numbers, true and false are
// kept as text.
struct Setting {
  std::string key;
  std::vector<std::string> values;
  bool is_list = false;
  int line = 1;
};

inline constexpr std::size_t kMostSettingsBytes = 1 << 20;

// A TOML file of settings without sections, in the order of its lines. kBadInput with `name`, line
// and cause: malformed, a section, a value that is no text, number, true, false or list of these.
[[nodiscard]] Result<std::vector<Setting>> parse_settings(std::string_view text,
                                                          std::string_view name);
// Also kNotFound, and what read_text says.
[[nodiscard]] Result<std::vector<Setting>> read_settings(const std::string& path);

}  // namespace mimicfleet::config
