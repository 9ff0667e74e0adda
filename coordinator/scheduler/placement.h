#pragma once

#include <optional>
#include <string>

#include "coordinator/scheduler/state.h"

namespace mimicfleet::coordinator {

// Why a worker cannot take a task, apart from being busy; empty if it can. What no waiting will change.
[[nodiscard]] std::string misfit(const Worker& worker, const Task& task);

// How many more leases a worker can hold now.
[[nodiscard]] std::uint32_t free_slots(const Worker& worker);

// True if a worker that is there holds the latents of a finished encode.
[[nodiscard]] bool is_held(const State& state, const Task& encode);

// The ready task that `worker` should start next: the first in order that fits; among a decode's candidates
// one whose latents the worker itself holds goes first. A task that failed on this worker goes to another if
// there is one that fits.
[[nodiscard]] std::optional<TaskId> next_task(const State& state, const Worker& worker, Instant now);

}  // namespace mimicfleet::coordinator
