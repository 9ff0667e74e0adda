#pragma once

#include <string>
#include <string_view>

#include <spdlog/spdlog.h>

namespace mimicfleet::log {

// Sends log lines to stderr: `time level [program] text`. `level` is one of trace, debug, info, warn, error.
// MIMICFLEET_LOG overrides it. Call once, at the start of main.
void initialize(std::string_view program, std::string_view level);

// The text with control characters (terminal escapes, line breaks) made visible: for strings that came from
// files, peers or users.
[[nodiscard]] std::string printable(std::string_view text);

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace mimicfleet::log
