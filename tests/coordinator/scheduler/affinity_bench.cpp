// What it brings that the scheduler knows which worker has which features: `./dev bench affinity`.
#include <fmt/format.h>

#include "tests/coordinator/scheduler/affinity_simulation.h"

using mimicfleet::coordinator::SimulationResult;
using mimicfleet::coordinator::SimulationSetup;

namespace {

constexpr std::uint32_t kSeeds = 3;

SimulationResult mean_of(SimulationSetup setup) {
  SimulationResult sum;
  for (setup.seed = 1; setup.seed <= kSeeds; ++setup.seed) {
    const SimulationResult one = simulate_second_run(setup);
    sum.hit_rate += one.hit_rate / kSeeds;
    sum.makespan_seconds += one.makespan_seconds / kSeeds;
  }
  return sum;
}

void row(SimulationSetup setup) {
  const SimulationResult with = mean_of(setup);
  setup.affinity = 0;
  const SimulationResult without = mean_of(setup);
  fmt::print("| {}{} | {} | {:.0f} / {:.0f} | {:.0f} % | {:.0f} % | {:.0f} | {:.0f} | {:.2f} |\n",
             setup.workers, setup.joining > 0 ? fmt::format(" + {} new", setup.joining) : "",
             setup.clips, setup.pose_seconds, setup.sample_seconds, 100 * without.hit_rate,
             100 * with.hit_rate, without.makespan_seconds, with.makespan_seconds,
             without.makespan_seconds / with.makespan_seconds);
}

}  // namespace

int main() {
  fmt::print(
      "The second run over the same clips, simulated; means of {} seeds. Seconds are simulated "
      "ones.\n\n"
      "| workers | clips | pose / sampling s | hits without | hits with | makespan without | "
      "makespan with | "
      "ratio |\n|---|---|---|---|---|---|---|---|\n",
      kSeeds);
  for (const std::size_t workers : {2, 4, 8, 16}) {
    SimulationSetup setup;
    setup.workers = workers;
    row(setup);
  }
  SimulationSetup setup;
  setup.pose_seconds = 18;  // pose estimation on a CPU beside four-step sampling on a GPU
  setup.sample_seconds = 6;
  row(setup);
  setup = {};
  setup.joining = 4;
  row(setup);
  setup = {};
  setup.clips = 1500;
  setup.workers = 8;
  row(setup);
  return 0;
}
