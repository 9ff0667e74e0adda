#pragma once

#include <map>
#include <string>

#include "common/clock.h"
#include "common/mutex.h"
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
  void keep_time() REQUIRES(mutex_);  // before the stages change
  [[nodiscard]] bool is_busy() const REQUIRES(mutex_);

  const WorkerMetrics& metrics_;
  const Clock& clock_;
  Mutex mutex_;
  // Of each attempt that has not ended.
  std::map<jobs::TaskAttempt, std::string> stages_ GUARDED_BY(mutex_);
  Instant busy_since_ GUARDED_BY(mutex_);  // counted until then, while busy
};

}  // namespace mimicfleet::worker
