#include "worker/activity.h"

#include <algorithm>

#include "jobs/stages.h"
#include "worker/stage_series.h"

namespace mimicfleet::worker {
namespace {

constexpr const char* kIdle = "idle";

}  // namespace

Activity::Activity(monitoring::Metrics& metrics, const Clock& clock)
    : clock_(clock),
      tasks_running_(metrics.gauge("mimicfleet_worker_tasks_running",
                                   "Tasks that the worker has and has not ended")),
      busy_seconds_(
          metrics.counter("mimicfleet_worker_busy_seconds_total",
                          "Seconds in which the worker was working on at least one task")),
      busy_since_(clock.now()) {
  std::vector<std::string> stages = {kIdle, std::string(jobs::kQueued)};
  for (const auto& series : stage_series()) stages.push_back(series.stage);
  for (const auto& stage : stages) {
    in_stage_.emplace(
        stage,
        metrics.gauge("mimicfleet_worker_stage",
                      "Tasks that are in a stage now; idle is 1 while the worker has no task",
                      {{"stage", stage}}));
  }
  metrics.before_scrape([this] { refresh(); });
}

bool Activity::is_busy() const {
  return std::any_of(stages_.begin(), stages_.end(),
                     [](const auto& task) { return task.second != jobs::kQueued; });
}

void Activity::keep_time() {
  const Instant now = clock_.now();
  if (is_busy()) busy_seconds_.add(to_seconds(now - busy_since_));
  busy_since_ = now;
}

void Activity::started(const jobs::TaskAttempt& attempt) {
  const std::lock_guard lock(mutex_);
  keep_time();
  stages_.insert_or_assign(attempt, std::string(jobs::kQueued));
}

void Activity::in_stage(const jobs::TaskProgress& progress) {
  const std::lock_guard lock(mutex_);
  const auto task = stages_.find({progress.task, progress.attempt});
  if (task == stages_.end() || task->second == progress.stage) return;
  keep_time();
  task->second = progress.stage;
}

void Activity::ended(const jobs::TaskAttempt& attempt) {
  const std::lock_guard lock(mutex_);
  keep_time();
  stages_.erase(attempt);
}

void Activity::refresh() {
  const std::lock_guard lock(mutex_);
  keep_time();
  std::map<std::string, int> tasks;
  for (const auto& [attempt, stage] : stages_) ++tasks[stage];
  tasks[kIdle] = stages_.empty() ? 1 : 0;
  for (const auto& [stage, gauge] : in_stage_) gauge.set(tasks[stage]);
  tasks_running_.set(static_cast<double>(stages_.size()));
}

}  // namespace mimicfleet::worker
