#pragma once

#include <mutex>

#include "jobs/messages.h"
#include "monitoring/metrics.h"

namespace mimicfleet::worker {

// mimicfleet_worker_info: who the worker is. Device and precision are known once the device is
// open.
class WorkerInfo {
 public:
  // `metrics` is not to be read after this object is gone.
  WorkerInfo(monitoring::Metrics& metrics, const jobs::WorkerHello& hello);

  void ready(const std::string& device, const jobs::NumericsClass& numerics);  // from any thread

 private:
  std::mutex mutex_;
  monitoring::Labels labels_;
};

}  // namespace mimicfleet::worker
