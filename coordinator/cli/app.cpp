#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "common/config/nearest.h"
#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/exit_code.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kExamples = R"(examples:
  coordinator submit videos/ --ref-image person.png --models models/
  coordinator submit videos/ --config test.yaml --output-dir out/ --steps 8
  coordinator serve                            a server that jobs outlive
  coordinator submit list.csv --no-wait        to that server
  coordinator job list
  coordinator verify out/

Each command has its own --help. docs/cli.md tells more.)";

// Flags may be written with underscores, as the Python scripts do.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (auto& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const auto end =
        argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
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
    if (auto complaint = not_understood(*command, called + " " + command->get_name())) return complaint;
  }
  const auto extras = app.remaining();
  if (extras.empty()) return std::nullopt;
  const std::string first = log::printable(extras.front());
  const std::string name = first.substr(0, first.find('='));
  if (name.starts_with('-')) {
    return fmt::format("unknown flag {} of `{}`{}", name, called, config::suggestion(name, flags_of(app)));
  }
  const auto commands = commands_of(app);
  if (commands.empty()) return fmt::format("unexpected argument '{}' of `{}`", first, called);
  return fmt::format("unknown command '{}' of `{}`{}", first, called, config::suggestion(first, commands));
}

void accept_extras(CLI::App& app) {
  app.allow_extras();
  app.get_formatter()->column_width(38);
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; })) accept_extras(*command);
}

int usage_error(const std::string& message) {
  fmt::print(stderr, "error: {}\n", message);
  return kUsage;
}

}  // namespace

void add_server_flag(CLI::App& command, CommonFlags& flags) {
  command.add_option("--server", flags.server, "coordinator to talk to, such as tcp://127.0.0.1:5555")
      ->type_name("ENDPOINT");
}

void add_output_flag(CLI::App& command, CommonFlags& flags, const char* group) {
  const auto known = [](const std::string& mode) {
    return mode == "human" || mode == "json" ? std::string() : fmt::format("'{}' is not human or json", mode);
  };
  command.add_option("--output-mode", flags.output_mode, "what stdout gets: human (default) or json")
      ->check(CLI::Validator(known, "", ""))
      ->type_name("MODE")
      ->group(group);
}

int run_program(int argc, char** argv) {
  log::initialize("coordinator", "info");
  CLI::App app("mimicfleet: motion videos become videos of a chosen character", "coordinator");
  app.set_version_flag("--version", std::string("mimicfleet ") + MIMICFLEET_VERSION);
  app.footer(kExamples);
  Chosen chosen;
  add_submit(app, chosen);
  add_serve(app, chosen);
  add_job(app, chosen);
  add_task(app, chosen);
  add_worker(app, chosen);
  add_verify(app, chosen);
  app.require_subcommand(0, 1);
  accept_extras(app);
  auto arguments = arguments_of(argc, argv);
  std::reverse(arguments.begin(), arguments.end());  // as the library wants them
  try {
    app.parse(arguments);
  } catch (const CLI::Success& help) {  // --help, --version
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage_error(not_understood(app, "coordinator").value_or(log::printable(error.what())));
  }
  if (const auto complaint = not_understood(app, "coordinator")) return usage_error(*complaint);
  if (!chosen) {
    fmt::print("{}", app.help());
    return kUsage;
  }
  return chosen();
}

}  // namespace mimicfleet::coordinator
