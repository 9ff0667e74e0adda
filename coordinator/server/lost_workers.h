#pragma once

#include <set>
#include <utility>
#include <vector>

#include "coordinator/scheduler/state.h"
#include "coordinator/scheduler/tally.h"

namespace mimicfleet::coordinator {

// Workers that fell silent and in whose place none has come: one of their host with their name or
// on their device, that joined after they were heard for the last time. Each comes for one.
class LostWorkers {
 public:
  void add(const WorkerLoss& loss, Instant now);
  // Forgets those that were replaced, and those that nobody expects any more.
  void look(const State& state, Instant now);

  struct Lost {
    WorkerLoss worker;
    Instant since{};
  };
  [[nodiscard]] const std::vector<Lost>& all() const { return lost_; }  // the oldest first

 private:
  [[nodiscard]] bool is_replaced(const State& state, const WorkerLoss& lost);

  std::vector<Lost> lost_;
  std::set<std::pair<WorkerId, Instant>> replacements_;  // and when they joined
};

}  // namespace mimicfleet::coordinator
