#pragma once

#include <chrono>

namespace mimicfleet {

// How long a test waits for what an idle machine does at once. It ends what hangs and judges no
// speed: a busy machine may need most of it.
inline constexpr std::chrono::seconds kPatience{120};

}  // namespace mimicfleet
