#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/clock.h"
#include "monitoring/metrics_server.h"
#include "worker/agent/agent.h"
#include "worker/config.h"
#include "worker/gpu/gpu_metrics.h"
#include "worker/metrics/activity.h"
#include "worker/metrics/worker_info.h"
#include "worker/metrics/worker_metrics.h"

namespace mimicfleet::worker {

// All that this program tells Prometheus. Usable from any thread.
class Telemetry {
 public:
  // `clock` must outlive this object.
  Telemetry(const WorkerConfig& config, const jobs::WorkerHello& hello, const Clock& clock);

  // Null for `off`. This object must outlive the server.
  [[nodiscard]] Result<std::unique_ptr<monitoring::MetricsServer>> serve(
      const std::string& address, std::map<std::string, http::Handler> routes = {});

  void see(const worker::Event& event);
  void task_ended(const jobs::LeaseGrant& lease, const worker::TaskEnd& end);

  [[nodiscard]] const WorkerMetrics& metrics() const { return metrics_; }
  [[nodiscard]] Activity& activity() { return activity_; }

 private:
  void ready(const worker::Ready& ready);

  monitoring::Metrics registry_;
  const WorkerMetrics metrics_;
  Activity activity_;
  WorkerInfo info_;
  gpu::GpuMetrics gpu_;
};

}  // namespace mimicfleet::worker
