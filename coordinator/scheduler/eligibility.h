#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/scheduler/state.h"

// Which workers are to be asked for a task, apart from which is best (placement.h).
namespace mimicfleet::coordinator {

inline constexpr std::string_view kLacksModels = "it does not have the models";

// For people: the worker and its host.
[[nodiscard]] std::string place_of(const Worker& worker);

// Why a worker cannot take a task, apart from being busy; empty if it can. What no waiting will
// change.
[[nodiscard]] std::string misfit(const Worker& worker, const Task& task);

// True if `user` can have the latents of a finished encode: a worker that is there holds them, or a
// file does and `user` is a concatenated video, for which its half precision is good enough.
[[nodiscard]] bool is_available(const State& state, const Task& encode, const Task& user);

// The same for one worker: it holds them, or can try to fetch them from one that does, or from the
// file.
[[nodiscard]] bool can_have(const State& state, const Worker& worker, const Task& encode,
                            const Task& user);

// Whether `reader`'s host can reach the data port of `replica`, as far as its address tells.
[[nodiscard]] bool reaches(const Worker& reader, const Worker& replica);

// True if the worker's host could not do `max_strikes` tasks of the job, so that it gets no more
// tasks of it while another worker can do them.
[[nodiscard]] bool is_set_aside(const State& state, const Worker& worker, JobId job);

// True if the worker can have the latents of an encode, or could once they are made again: by
// itself, or by a worker that it reaches.
[[nodiscard]] bool could_have(const State& state, const Worker& worker, const Task& encode,
                              const Task& user);

// Why a worker that would do a task cannot have what an encode made.
[[nodiscard]] std::string why_out_of_reach(const State& state, const Worker& worker,
                                           const Task& encode);

// Why a worker that fits, and whose host did not fail at it, cannot do a task all the same: latents
// that it does not reach, and would not if they were made again. Empty if it can, or is none of
// these.
[[nodiscard]] std::string lacks_latents(const State& state, const Worker& worker, const Task& task);

// True if the worker, or one that still loads its models, could be asked for the task, now or when
// it is free: it fits, its host did not fail at it, and it can come by the inputs.
[[nodiscard]] bool is_left(const State& state, const Worker& worker, const Task& task);

// Why the workers that would fit cannot do a task. None if there are no such workers, or one is
// left.
[[nodiscard]] std::vector<HostFailure> refusals(const State& state, const Task& task);

// Each reason once, with those who gave it.
[[nodiscard]] std::string joint_message(const std::vector<HostFailure>& refusals);

// When a task that all who are there have refused is failed.
[[nodiscard]] Instant gives_up_at(const State& state, const Task& task);

// Whether any worker is left that can be asked without a second thought: it can have the inputs,
// too, and is not set aside.
[[nodiscard]] bool anybody_is_able(const State& state, const Task& task);

// True if the worker may start the task: it fits, and no other one should do it in its place.
[[nodiscard]] bool is_eligible(const State& state, const Worker& worker, const Task& task);

// Why a worker that fits is not asked for a task, or only if nobody else can; empty if it is.
[[nodiscard]] std::string reservation(const State& state, const Worker& worker, const Task& task);

}  // namespace mimicfleet::coordinator
