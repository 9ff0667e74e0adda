#include "common/cli/config_file.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/config/settings_file.h"
#include "common/log.h"

namespace mimicfleet::cli {
namespace {

struct Chosen {
  std::string file;
  config::Setting setting;
};

// parse() prints what is thrown during parsing.
[[noreturn]] void refuse(const std::string& message) {
  throw CLI::ConfigError(message, CLI::ExitCodes::ConfigError);
}

[[noreturn]] void refuse(const Chosen& chosen, std::string_view cause) {
  refuse(fmt::format("{}:{}: {}: {}", chosen.file, chosen.setting.line,
                     log::printable(chosen.setting.key), cause));
}

bool may_stand_in_a_file(const CLI::Option& option) {
  const auto& names = option.get_lnames();
  static const std::set<std::string> kOnlyFlags = {"config", "help", "version", "ready-fd",
                                                   "exit-with-parent"};
  return !names.empty() && !kOnlyFlags.contains(names.front());
}

std::vector<std::string> keys_of(const CLI::App& command) {
  std::vector<std::string> keys;
  for (const auto* option : command.get_options()) {
    if (may_stand_in_a_file(*option)) keys.push_back(option->get_lnames().front());
  }
  return keys;
}

std::string called(const CLI::App& command) {
  const auto* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : called(*parent) + " " + command.get_name();
}

CLI::Option& option_of(CLI::App& command, const Chosen& chosen) {
  CLI::Option* option = command.get_option_no_throw("--" + chosen.setting.key);
  if (option != nullptr && may_stand_in_a_file(*option)) return *option;
  refuse(fmt::format("{}:{}: '{}' is no setting of `{}`{}", chosen.file, chosen.setting.line,
                     log::printable(chosen.setting.key), called(command),
                     config::suggestion(chosen.setting.key, keys_of(command))));
}

// A flag without a value: true gives it, false leaves it out.
void give_flag(CLI::Option& option, const Chosen& chosen) {
  const auto& values = chosen.setting.values;
  if (chosen.setting.is_list || (values.front() != "true" && values.front() != "false")) {
    refuse(chosen, "must be true or false");
  }
  if (values.front() == "false") return;
  option.add_result("true");
  option.run_callback();
}

void give_values(CLI::Option& option, const Chosen& chosen) {
  if (chosen.setting.is_list && option.get_expected_max() <= 1)
    refuse(chosen, "takes one value, no list");
  for (const auto& value : chosen.setting.values) option.add_result(value);
  if (chosen.setting.values.empty()) return;
  option.run_callback();
}

void give(CLI::App& command, const Chosen& chosen) {
  CLI::Option& option = option_of(command, chosen);
  if (option.count() > 0) return;  // the command line wins
  try {
    option.get_expected_max() == 0 ? give_flag(option, chosen) : give_values(option, chosen);
  } catch (const CLI::ConfigError&) {
    throw;
  } catch (const CLI::ParseError& error) {
    std::string_view cause = error.what();
    const std::string name = option.get_name() + ": ";
    if (cause.starts_with(name)) cause.remove_prefix(name.size());
    refuse(chosen, cause);
  }
}

// By key. A key that is there twice, once with underscores, is refused as TOML refuses the same
// one.
std::map<std::string, Chosen> read_file(const std::string& file) {
  auto settings = config::read_settings(file);
  if (!settings.ok()) refuse(std::string(settings.status().prefixed("--config").message()));
  std::map<std::string, Chosen> chosen;
  for (auto& setting : *settings) {
    std::replace(setting.key.begin(), setting.key.end(), '_', '-');
    const std::string key = setting.key;
    const auto [known, is_new] = chosen.try_emplace(key, Chosen{file, std::move(setting)});
    if (!is_new) refuse(known->second, "is there twice");
  }
  return chosen;
}

void read_files(CLI::App& command, const std::vector<std::string>& files) {
  std::map<std::string, Chosen> chosen;
  for (const auto& file : files) {
    for (auto& [key, one] : read_file(file)) chosen.insert_or_assign(key, std::move(one));
  }
  for (const auto& [key, one] : chosen) give(command, one);
}

}  // namespace

void add_config_files(CLI::App& command) {
  auto files = std::make_shared<std::vector<std::string>>();
  command
      .add_option("--config", *files,
                  "TOML file with these flags as keys (without dashes); flags win; given again: "
                  "later ones win")
      ->type_name("FILE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.parse_complete_callback([&command, files] { read_files(command, *files); });
}

}  // namespace mimicfleet::cli
