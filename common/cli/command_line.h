#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

namespace mimicfleet::cli {

inline constexpr int kExitUsage = 2;

// Reads the command line the way all our programs do: flags may be written with underscores, as the
// Python scripts do, and a name that is not known is an error that names the nearest known one. The
// code to exit with if the program should end now: 0 after --help or --version, kExitUsage after a
// mistake, which `on_mistake` is told, too.
[[nodiscard]] std::optional<int> parse(
    CLI::App& app, int argc, char** argv,
    const std::function<void(const std::string&)>& on_mistake = {});

// Whether the arguments give this flag this value, in any spelling that parse() understands; before
// they are known to be right.
[[nodiscard]] bool gives(int argc, char** argv, const std::string& flag, const std::string& value);

// A flag that turns `value` off. (The library's own "!--flag" shows up as "--flag{false}" in the
// help.)
CLI::Option* add_off_switch(CLI::App& command, const std::string& name, bool& value,
                            const std::string& help);

// A check of an option's text, for its `check()`: a whole number from `least` to `most`.
[[nodiscard]] CLI::Validator whole_number(
    std::int32_t least, std::int32_t most = std::numeric_limits<std::int32_t>::max());
inline constexpr std::int32_t kMostThreads = 1024;

}  // namespace mimicfleet::cli
