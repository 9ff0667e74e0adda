#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>

#include "coordinator/scheduler/ready_order.h"

namespace mimicfleet::coordinator {

// Which worker can take which features from its cache, and which ready encodes that concerns.
// Hints: what is wrong here costs time and nothing else. Features are known by their tags alone
// (jobs::feature_tag).
class Affinity {
 public:
  // Workers with the feature, and the seconds that making it took there.
  using Replicas = std::map<WorkerId, double>;

  void note(std::uint64_t tag, WorkerId worker, double made_seconds);
  void forget(WorkerId worker);
  [[nodiscard]] const Replicas& replicas(std::uint64_t tag) const;

  // Ready encodes by the feature that is theirs alone: the key points of their clip.
  void task_ready(const ReadyOrder& order, std::uint64_t tag);
  void task_left(const ReadyOrder& order, std::uint64_t tag);
  // Those whose key points the worker holds, in the order in which they should start.
  [[nodiscard]] const std::set<ReadyOrder>& near(WorkerId worker) const;

 private:
  std::unordered_map<std::uint64_t, Replicas> replicas_;
  std::unordered_map<std::uint64_t, std::set<ReadyOrder>> ready_;
  std::map<WorkerId, std::set<ReadyOrder>> near_;
};

}  // namespace mimicfleet::coordinator
