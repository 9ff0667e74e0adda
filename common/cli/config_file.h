#pragma once

#include <CLI/CLI.hpp>

namespace mimicfleet::cli {

// Adds `--config FILE` to a command: TOML files (common/config/settings_file.h) whose keys are the
// command's long flags without dashes. A later file wins over an earlier one, the command line over
// all of them. What a file gets wrong is a mistake that names file, line and key. Uses the
// command's parse_complete_callback.
void add_config_files(CLI::App& command);

}  // namespace mimicfleet::cli
