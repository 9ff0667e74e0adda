#pragma once

#include <map>
#include <string>
#include <vector>

#include "coordinator/scheduler/state.h"
#include "monitoring/metrics.h"

namespace mimicfleet::coordinator {

// What the coordinator tells Prometheus.
class ServerMetrics {
 public:
  explicit ServerMetrics(monitoring::Metrics& metrics);

  // After every round: `events` are those that were just stored.
  void observe(const State& state, const std::vector<jobs::Event>& events);

 private:
  std::map<TaskState, monitoring::Gauge> tasks_;
  std::map<bool, monitoring::Gauge> jobs_;  // by whether they ended
  std::map<jobs::WorkerState, monitoring::Gauge> workers_;
  std::map<std::string, monitoring::Counter, std::less<>> events_;
  monitoring::Gauge queue_depth_;
  monitoring::Gauge epoch_;
  monitoring::Counter lease_expiries_;
  monitoring::Gauge set_aside_;
  std::map<std::string, monitoring::Counter, std::less<>> host_failures_;  // by reason
};

}  // namespace mimicfleet::coordinator
