#pragma once

#include "common/status.h"
#include "coordinator/client/interrupts.h"

namespace mimicfleet::coordinator {

// What the program ends with (docs/cli.md).
inline constexpr int kAllDone = 0;
inline constexpr int kSomeFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;

// Of a request that could not be carried out at all.
[[nodiscard]] int exit_code_of(const Status& status);

// Writes `error: …` to stderr and gives the code.
int report(const Status& status);

}  // namespace mimicfleet::coordinator
