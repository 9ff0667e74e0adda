#pragma once

#include <string>

namespace mimicfleet::worker {

// `worker cache stats|verify|clear`.
struct CacheCommand {
  enum class Action { kNone, kStats, kVerify, kClear };
  Action action = Action::kNone;
  bool json = false;
};

// On the caches below `directory`. Prints to stdout. The exit code: 0, 1 when something was damaged
// or could not be looked at, 2 when there is no such directory.
[[nodiscard]] int run_cache_command(const CacheCommand& command, const std::string& directory);

}  // namespace mimicfleet::worker
