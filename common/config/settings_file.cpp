#include "common/config/settings_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "common/files/read_text.h"
#include "common/log.h"

namespace mimicfleet::config {
namespace {

Status refused(std::string_view name, int line, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}:{}: {}", name, line, cause)};
}

// As it would stand on a command line.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* choice = node.as_boolean()) return choice->get() ? "true" : "false";
  return std::nullopt;
}

bool add_value(const toml::node& node, Setting& setting) {
  auto text = text_of(node);
  if (!text) return false;
  setting.values.push_back(std::move(*text));
  return true;
}

bool add_values(const toml::node& node, Setting& setting) {
  const auto* list = node.as_array();
  if (list == nullptr) return add_value(node, setting);
  setting.is_list = true;
  return std::all_of(list->begin(), list->end(),
                     [&](const auto& item) { return add_value(item, setting); });
}

}  // namespace

Result<std::vector<Setting>> parse_settings(std::string_view text, std::string_view name) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return refused(name, static_cast<int>(error.source().begin.line),
                   fmt::format("this is not TOML: {}", log::printable(error.description())));
  }
  std::vector<Setting> settings;
  for (const auto& [key, node] : parsed) {
    Setting setting{std::string(key.str()), {}, false, static_cast<int>(node.source().begin.line)};
    const std::string shown = log::printable(setting.key);
    if (node.is_table() || node.is_array_of_tables()) {
      return refused(name, setting.line,
                     fmt::format("'{}' is a section: settings stand outside of sections", shown));
    }
    if (!add_values(node, setting)) {
      return refused(
          name, setting.line,
          fmt::format("'{}' must be a text in quotes, a number, true or false, or a list of these",
                      shown));
    }
    settings.push_back(std::move(setting));
  }
  std::stable_sort(settings.begin(), settings.end(),
                   [](const Setting& a, const Setting& b) { return a.line < b.line; });
  return settings;
}

Result<std::vector<Setting>> read_settings(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_text(path, kMostSettingsBytes));
  return parse_settings(text, path);
}

}  // namespace mimicfleet::config
