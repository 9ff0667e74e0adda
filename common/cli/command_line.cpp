#include "common/cli/command_line.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/config/nearest.h"
#include "common/log.h"

namespace mimicfleet::cli {
namespace {

std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (auto& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const auto end = argument.begin() +
                     static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
    std::replace(argument.begin(), end, '_', '-');
  }
  return arguments;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const auto* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

// The complaint about the first argument that nobody understood, in the command where it stands.
std::optional<std::string> not_understood(const CLI::App& app, const std::string& called) {
  for (const auto* command : app.get_subcommands()) {
    if (auto complaint = not_understood(*command, called + " " + command->get_name()))
      return complaint;
  }
  const auto extras = app.remaining();
  if (extras.empty()) return std::nullopt;
  const std::string first = log::printable(extras.front());
  const std::string name = first.substr(0, first.find('='));
  if (name.starts_with('-')) {
    return fmt::format("unknown flag {} of `{}`{}", name, called,
                       config::suggestion(name, flags_of(app)));
  }
  const auto commands = commands_of(app);
  if (commands.empty()) return fmt::format("unexpected argument '{}' of `{}`", first, called);
  return fmt::format("unknown command '{}' of `{}`{}", first, called,
                     config::suggestion(first, commands));
}

// The complaint about something that was not given: a command of `app`, or else an argument.
std::string not_given(const CLI::App& app, const std::string& called, std::string_view what) {
  for (const auto* command : app.get_subcommands()) {
    return not_given(*command, called + " " + command->get_name(), what);
  }
  const auto commands = commands_of(app);
  if (commands.empty()) return fmt::format("`{}`: {}", called, what);
  return fmt::format("`{}` needs a command: {}", called, fmt::join(commands, ", "));
}

// A flag that was given more than once, else what the library says.
std::string mismatch(const CLI::App& app, const CLI::ArgumentMismatch& error) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  for (const auto* option : command->get_options()) {
    if (option->count() > 1 && option->get_expected_max() == 1) {
      return fmt::format("{} is there {} times: give it once", option->get_name(), option->count());
    }
  }
  return log::printable(error.what());
}

void accept_extras(CLI::App& app) {
  app.allow_extras();
  app.get_formatter()->column_width(38);
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; })) accept_extras(*command);
}

// What the user did wrong; nothing if all is well. Throws CLI::Success for --help and --version.
std::optional<std::string> mistake(CLI::App& app, std::vector<std::string> arguments) {
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success&) {
    throw;
  } catch (const CLI::RequiredError& error) {
    return not_understood(app, app.get_name())
        .value_or(not_given(app, app.get_name(), error.what()));
  } catch (const CLI::ArgumentMismatch& error) {
    return not_understood(app, app.get_name()).value_or(mismatch(app, error));
  } catch (const CLI::ParseError& error) {
    return not_understood(app, app.get_name()).value_or(log::printable(error.what()));
  }
  return not_understood(app, app.get_name());
}

}  // namespace

std::optional<int> parse(CLI::App& app, int argc, char** argv,
                         const std::function<void(const std::string&)>& on_mistake) {
  accept_extras(app);
  auto arguments = arguments_of(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // as the library wants them
  try {
    const auto wrong = mistake(app, std::move(arguments));
    if (!wrong) return std::nullopt;
    if (on_mistake) on_mistake(*wrong);
    fmt::print(stderr, "error: {}\n", *wrong);
    return kExitUsage;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  }
}

bool gives(int argc, char** argv, const std::string& flag, const std::string& value) {
  const auto arguments = arguments_of(argc, argv);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == flag + "=" + value) return true;
    if (arguments[i] == flag && i + 1 < arguments.size() && arguments[i + 1] == value) return true;
  }
  return false;
}

CLI::Option* add_off_switch(CLI::App& command, const std::string& name, bool& value,
                            const std::string& help) {
  return command.add_flag_callback(
      name, [&value] { value = false; }, help);
}

CLI::Validator whole_number(std::int32_t least, std::int32_t most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    std::int32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc() && rest == end && value >= least && value <= most) return {};
    const std::string range =
        most == std::numeric_limits<std::int32_t>::max() ? "or more" : fmt::format("to {}", most);
    return fmt::format("'{}' is not a whole number of {} {}", log::printable(text), least, range);
  };
  return {check, "", ""};
}

}  // namespace mimicfleet::cli
