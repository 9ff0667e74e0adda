#include "common/user_folders.h"

#include <cstdlib>

namespace mimicfleet {
namespace {

std::string folder(const char* variable, const char* below_home) {
  const char* named = std::getenv(variable);
  if (named != nullptr && *named != '\0') return std::string(named) + "/mimicfleet";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  return std::string(home) + below_home + "/mimicfleet";
}

}  // namespace

std::string user_cache_folder() { return folder("XDG_CACHE_HOME", "/.cache"); }
std::string user_state_folder() { return folder("XDG_STATE_HOME", "/.local/state"); }

}  // namespace mimicfleet
