#pragma once

#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace mimicfleet::log {

// Sends log lines to stderr: `time level [program] text`, or `<syslog level>text` where systemd's
// journal reads it. `level` is one of trace, debug, info, warn, error. MIMICFLEET_LOG overrides it.
// Call once, at the start of main.
void initialize(std::string_view program, std::string_view level);

// Log lines go to this file, too, which is emptied first. Gives what went wrong; empty: nothing
// did.
[[nodiscard]] std::string copy_to_file(const std::string& path);

// For that file alone, if there is one: what a user sees otherwise than as log lines.
void note(std::string_view text);

// The text with control characters (terminal escapes, line breaks) made visible: for strings that
// came from files, peers or users.
[[nodiscard]] std::string printable(std::string_view text);

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace mimicfleet::log
