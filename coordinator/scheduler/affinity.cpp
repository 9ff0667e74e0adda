#include "coordinator/scheduler/affinity.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::size_t kMaxFeatures = 2'000'000;  // beyond that no further ones are remembered

}  // namespace

void Affinity::note(std::uint64_t tag, WorkerId worker, double made_seconds) {
  if (holders_.size() >= kMaxFeatures && !holders_.contains(tag)) return;
  holders_[tag][worker] = made_seconds;
  if (const auto tasks = ready_.find(tag); tasks != ready_.end()) {
    near_[worker].insert(tasks->second.begin(), tasks->second.end());
  }
}

void Affinity::forget(WorkerId worker) {
  for (auto feature = holders_.begin(); feature != holders_.end();) {
    feature->second.erase(worker);
    feature = feature->second.empty() ? holders_.erase(feature) : std::next(feature);
  }
  near_.erase(worker);
}

const Affinity::Holders& Affinity::holders(std::uint64_t tag) const {
  static const Holders kNobody;
  const auto found = holders_.find(tag);
  return found == holders_.end() ? kNobody : found->second;
}

void Affinity::task_ready(const ReadyOrder& order, std::uint64_t tag) {
  ready_[tag].insert(order);
  for (const auto& [worker, seconds] : holders(tag)) near_[worker].insert(order);
}

void Affinity::task_left(const ReadyOrder& order, std::uint64_t tag) {
  const auto tasks = ready_.find(tag);
  if (tasks == ready_.end()) return;
  tasks->second.erase(order);
  if (tasks->second.empty()) ready_.erase(tasks);
  for (const auto& [worker, seconds] : holders(tag)) {
    if (const auto found = near_.find(worker); found != near_.end()) found->second.erase(order);
  }
}

const std::set<ReadyOrder>& Affinity::near(WorkerId worker) const {
  static const std::set<ReadyOrder> kNone;
  const auto found = near_.find(worker);
  return found == near_.end() ? kNone : found->second;
}

}  // namespace mimicfleet::coordinator
