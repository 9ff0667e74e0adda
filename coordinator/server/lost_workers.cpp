#include "coordinator/server/lost_workers.h"

#include <algorithm>
#include <chrono>

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kMostLost = 1000;
constexpr auto kExpected = std::chrono::hours(24);  // then it is gone for good
constexpr auto kExpectedOfSlurm =
    std::chrono::hours(1);  // its job is over, and others have other hosts

bool takes_the_place(const Worker& worker, const WorkerLoss& lost) {
  const auto& hello = worker.hello;
  return hello.host == lost.host && (hello.name == lost.name || hello.device == lost.device) &&
         worker.joined > lost.last_heard;
}

}  // namespace

void LostWorkers::add(const WorkerLoss& loss, Instant now) {
  if (lost_.size() >= kMostLost) lost_.erase(lost_.begin());
  lost_.push_back({loss, now});
}

bool LostWorkers::is_replaced(const State& state, const WorkerLoss& lost) {
  return std::any_of(state.workers.begin(), state.workers.end(), [&](const auto& known) {
    const auto& [id, worker] = known;
    return takes_the_place(worker, lost) && replacements_.emplace(id, worker.joined).second;
  });
}

void LostWorkers::look(const State& state, Instant now) {
  std::erase_if(replacements_, [&](const auto& replacement) {
    const auto known = state.workers.find(replacement.first);
    return known == state.workers.end() || known->second.joined != replacement.second;
  });
  std::erase_if(lost_, [&](const Lost& lost) {
    const bool of_slurm = !lost.worker.slurm_job_id.empty();
    return now - lost.since > (of_slurm ? kExpectedOfSlurm : kExpected) ||
           is_replaced(state, lost.worker);
  });
}

}  // namespace mimicfleet::coordinator
