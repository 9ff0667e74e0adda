#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "jobs/task.h"

namespace mimicfleet::jobs {

// Seconds of a stage over many tasks, by whether its result was made (cold) or came out of a cache
// or resident models (warm), and what the cache saved.
struct StageSeconds {
  double cold_seconds = 0;
  double warm_seconds = 0;
  double saved_seconds = 0;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("cold_seconds", self.cold_seconds);
    field("warm_seconds", self.warm_seconds);
    field("saved_seconds", self.saved_seconds);
  }
};

// What the results of tasks come to.
struct Ledger {
  std::map<std::string, StageSeconds> stages;
  std::map<std::string, std::map<std::string, std::uint32_t>>
      features;  // kind -> outcome -> how many
  std::map<std::string, std::uint32_t> calls;

  void add(const TaskResult& result);
  [[nodiscard]] StageSeconds total() const;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("stages", self.stages);
    field("features", self.features);
    field("calls", self.calls);
  }
};

}  // namespace mimicfleet::jobs
