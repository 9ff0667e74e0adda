#include "worker/metrics/activity.h"

#include <algorithm>

#include "jobs/stages.h"

namespace mimicfleet::worker {

Activity::Activity(const WorkerMetrics& metrics, const Clock& clock)
    : metrics_(metrics), clock_(clock), busy_since_(clock.now()) {
  metrics.registry.before_scrape([this] { refresh(); });
}

bool Activity::is_busy() const {
  return std::any_of(stages_.begin(), stages_.end(), [](const auto& task) {
    return !jobs::is_stage(task.second, jobs::Stage::kQueued);
  });
}

void Activity::keep_time() {
  const Instant now = clock_.now();
  if (is_busy()) metrics_.busy_seconds.add(to_seconds(now - busy_since_));
  busy_since_ = now;
}

void Activity::started(const jobs::TaskAttempt& attempt) {
  const MutexLock lock(mutex_);
  keep_time();
  stages_.insert_or_assign(attempt, std::string(to_string(jobs::Stage::kQueued)));
}

void Activity::in_stage(const jobs::TaskProgress& progress) {
  const MutexLock lock(mutex_);
  const auto task = stages_.find({progress.task, progress.attempt});
  if (task == stages_.end() || task->second == progress.stage) return;
  keep_time();
  task->second = progress.stage;
}

void Activity::ended(const jobs::TaskAttempt& attempt) {
  const MutexLock lock(mutex_);
  keep_time();
  stages_.erase(attempt);
}

void Activity::refresh() {
  const MutexLock lock(mutex_);
  keep_time();
  std::map<std::string, int> tasks;
  for (const auto& [attempt, stage] : stages_) ++tasks[stage];
  tasks[kIdle] = stages_.empty() ? 1 : 0;
  for (const auto& [labels, gauge] : metrics_.in_stage.series())
    gauge.set(tasks[labels.at("stage")]);
  metrics_.tasks_running.set(stages_.size());
}

}  // namespace mimicfleet::worker
