#pragma once

#include <memory>
#include <mutex>

#include "monitoring/metrics.h"
#include "worker/gpu/gpu_monitor.h"

namespace mimicfleet::gpu {

// The metrics of the worker's GPU: series only while a GPU is watched, and only of what it says.
class GpuMetrics {
 public:
  // `metrics` is not to be read after this object is gone.
  explicit GpuMetrics(monitoring::Metrics& metrics);

  void watch(std::unique_ptr<Monitor> monitor);  // from any thread

 private:
  std::mutex mutex_;
  std::unique_ptr<Monitor> monitor_;
  Reading reading_;  // of this scrape
};

}  // namespace mimicfleet::gpu
