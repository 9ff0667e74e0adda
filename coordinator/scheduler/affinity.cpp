#include "coordinator/scheduler/affinity.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kMaxFeatures = 2'000'000;  // beyond that no further ones are remembered

}  // namespace

void Affinity::note(std::uint64_t tag, WorkerId worker, double made_seconds) {
  if (replicas_.size() >= kMaxFeatures && !replicas_.contains(tag)) return;
  replicas_[tag][worker] = made_seconds;
  if (const auto tasks = ready_.find(tag); tasks != ready_.end()) {
    near_[worker].insert(tasks->second.begin(), tasks->second.end());
  }
}

void Affinity::forget(WorkerId worker) {
  for (auto feature = replicas_.begin(); feature != replicas_.end();) {
    feature->second.erase(worker);
    feature = feature->second.empty() ? replicas_.erase(feature) : std::next(feature);
  }
  near_.erase(worker);
}

const Affinity::Replicas& Affinity::replicas(std::uint64_t tag) const {
  static const Replicas kNobody;
  const auto found = replicas_.find(tag);
  return found == replicas_.end() ? kNobody : found->second;
}

void Affinity::task_ready(const ReadyOrder& order, std::uint64_t tag) {
  ready_[tag].insert(order);
  for (const auto& [worker, seconds] : replicas(tag)) near_[worker].insert(order);
}

void Affinity::task_left(const ReadyOrder& order, std::uint64_t tag) {
  const auto tasks = ready_.find(tag);
  if (tasks == ready_.end()) return;
  tasks->second.erase(order);
  if (tasks->second.empty()) ready_.erase(tasks);
  for (const auto& [worker, seconds] : replicas(tag)) {
    if (const auto found = near_.find(worker); found != near_.end()) found->second.erase(order);
  }
}

const std::set<ReadyOrder>& Affinity::near(WorkerId worker) const {
  static const std::set<ReadyOrder> kNone;
  const auto found = near_.find(worker);
  return found == near_.end() ? kNone : found->second;
}

}  // namespace mimicfleet::coordinator
