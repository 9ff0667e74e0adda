#pragma once

#include <string>

namespace mimicfleet {

// Where this user's programs keep what may be made again, and what must survive:
// $XDG_CACHE_HOME/mimicfleet or
// ~/.cache/mimicfleet, $XDG_STATE_HOME/mimicfleet or ~/.local/state/mimicfleet. Empty for a user
// without a home.
[[nodiscard]] std::string user_cache_folder();
[[nodiscard]] std::string user_state_folder();

}  // namespace mimicfleet
