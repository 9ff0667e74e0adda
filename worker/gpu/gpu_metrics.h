#pragma once

#include <memory>

#include "common/mutex.h"
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
  Mutex mutex_;
  std::unique_ptr<Monitor> monitor_ GUARDED_BY(mutex_);
  Reading reading_ GUARDED_BY(mutex_);  // of this scrape
};

}  // namespace mimicfleet::gpu
