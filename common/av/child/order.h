#pragma once

#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet::av::child {

// In the sandbox, too, where a file of the order before has to be closed first. Waits for what
// media_child.h calls an order: its file becomes kChildFile, its arguments are returned. Ends the
// process when the parent is gone or wants it no more.
[[nodiscard]] Result<std::vector<std::string>> await_order();

}  // namespace mimicfleet::av::child
