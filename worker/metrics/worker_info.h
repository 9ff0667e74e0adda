#pragma once

#include "common/mutex.h"
#include "jobs/messages.h"
#include "worker/metrics/worker_metrics.h"

namespace mimicfleet::worker {

// mimicfleet_worker_info: who the worker is. Device and precision are known once the device is
// open.
class WorkerInfo {
 public:
  // The metrics are not to be read after this object is gone.
  WorkerInfo(const WorkerMetrics& metrics, const jobs::WorkerHello& hello);

  void ready(const std::string& device, const jobs::NumericsClass& numerics);  // from any thread

 private:
  Mutex mutex_;
  monitoring::Labels labels_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::worker
