#pragma once

#include <optional>
#include <string>

#include "coordinator/scheduler/eligibility.h"

namespace mimicfleet::coordinator {

// How many more leases a worker can hold now.
[[nodiscard]] std::uint32_t free_slots(const Worker& worker);

// What a worker that is there holds of an encode with this key, made in this numerics class (any if
// null).
[[nodiscard]] const jobs::ArtefactRef* held_latents(const State& state, const Digest& key,
                                                    const jobs::NumericsClass* numerics);

// The worker that has most of what a task needs: features in its cache, or latents.
struct Place {
  WorkerId worker;           // nil: nobody has anything
  double worth_seconds = 0;  // that it saves beside a worker that has nothing
};
[[nodiscard]] Place best_place(const State& state, const Task& task);

// From when on this worker may take the task although another one has more of what it needs.
[[nodiscard]] Instant open_to(const State& state, const Worker& worker, const Task& task);

// The ready task that `worker` should start next: of the first priority, job and kind of which one
// fits, the one of which the worker has most and others least. A task that failed on this worker
// goes to another if there is one that fits.
[[nodiscard]] std::optional<TaskId> next_task(const State& state, const Worker& worker,
                                              Instant now);

}  // namespace mimicfleet::coordinator
