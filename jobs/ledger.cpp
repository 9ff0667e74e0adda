#include "jobs/ledger.h"

namespace mimicfleet::jobs {

void Ledger::add(const TaskResult& result) {
  for (const auto& timing : result.stages) {
    StageSeconds& stage = stages[timing.stage];
    (timing.warm ? stage.warm_seconds : stage.cold_seconds) += timing.seconds;
    stage.saved_seconds += timing.saved_seconds;
  }
  for (const auto& use : result.features) {
    ++features[std::string(to_string(use.kind))][std::string(to_string(use.outcome))];
  }
  for (const auto& [what, times] : result.calls) calls[what] += times;
}

StageSeconds Ledger::total() const {
  StageSeconds all;
  for (const auto& [name, stage] : stages) {
    all.cold_seconds += stage.cold_seconds;
    all.warm_seconds += stage.warm_seconds;
    all.saved_seconds += stage.saved_seconds;
  }
  return all;
}

}  // namespace mimicfleet::jobs
