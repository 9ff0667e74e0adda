#pragma once

#include <cstddef>
#include <cstdint>

namespace mimicfleet::coordinator {

// A fleet that makes the same clips twice, the second time in another order, in simulated time.
struct SimulationSetup {
  std::size_t workers = 4;
  // Further workers, without any features, that join before the second run.
  std::size_t joining = 0;
  std::size_t clips = 200;
  double pose_seconds = 6;  // of a clip on average, unless its key points are in the worker's cache
  double sample_seconds = 12;  // of a clip on average
  double affinity = 1;         // SchedulerConfig::affinity
  std::uint32_t seed = 1;
};

// Of the second run.
struct SimulationResult {
  double hit_rate = 0;          // of the key points
  double makespan_seconds = 0;  // from its submission to its end
};

[[nodiscard]] SimulationResult simulate_second_run(const SimulationSetup& setup);

}  // namespace mimicfleet::coordinator
