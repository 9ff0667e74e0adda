#pragma once

#include <map>
#include <mutex>
#include <string>

#include "common/clock.h"
#include "jobs/messages.h"
#include "worker/metrics/worker_metrics.h"

namespace mimicfleet::worker {

// What the worker does now, and for how long it has worked at all. A task that waits for its worker
// to be done with another one is in the stage `queued`; a worker whose tasks all wait is not busy.
// Usable from any thread.
class Activity {
 public:
  // The metrics are not to be read after this object is gone. Both must outlive it.
  Activity(const WorkerMetrics& metrics, const Clock& clock);

  void started(const jobs::TaskAttempt& attempt);
  void in_stage(const jobs::TaskProgress& progress);  // of attempts that were started
  void ended(const jobs::TaskAttempt& attempt);

 private:
  void refresh();
  void keep_time();  // with the mutex held, before the stages change
  [[nodiscard]] bool is_busy() const;

  const WorkerMetrics& metrics_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<jobs::TaskAttempt, std::string> stages_;  // of each attempt that has not ended
  Instant busy_since_;                               // counted until then, while busy
};

}  // namespace mimicfleet::worker
