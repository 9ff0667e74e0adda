#pragma once

#include <string>
#include <vector>

namespace mimicfleet::worker {

// What the metrics have of a stage of StageTiming.
struct StageSeries {
  std::string stage;
  bool can_be_warm =
      false;  // its result may come out of a cache or a store, or what it needs be there
  bool cache_saves = false;     // the feature cache keeps what it makes
  std::vector<double> buckets;  // seconds, for both
};

// All stages, in the order in which tasks come to them.
[[nodiscard]] const std::vector<StageSeries>& stage_series();

}  // namespace mimicfleet::worker
