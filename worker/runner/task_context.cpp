#include "worker/runner/task_context.h"

#include <algorithm>

namespace mimicfleet::runner {

void TaskContext::cancel() {
  const MutexLock lock(mutex_);
  if (cancelled_.exchange(true)) return;
  for (const auto& [number, stop] : stops_) stop();
  lease_changed_.notify_all();
}

TaskContext::OnCancel TaskContext::on_cancel(std::function<void()> stop) {
  const MutexLock lock(mutex_);
  if (cancelled_) stop();
  stops_.emplace(++last_stop_, std::move(stop));
  return {*this, last_stop_};
}

TaskContext::OnCancel::~OnCancel() {
  if (context_ == nullptr) return;
  const MutexLock lock(context_->mutex_);
  context_->stops_.erase(number_);
}

void TaskContext::confirm_lease(Instant until) {
  const MutexLock lock(mutex_);
  lease_until_ = until;
  lease_changed_.notify_all();
}

Status TaskContext::hold_lease() const {
  MutexLock lock(mutex_);
  lease_changed_.wait(lock, [this] {
    mutex_.assert_held();
    return cancelled_ || SteadyClock().now() < lease_until_;
  });
  return check_cancelled();
}

Status TaskContext::check_cancelled() const {
  return cancelled() ? Status(StatusCode::kCancelled, "cancelled") : Status();
}

void TaskContext::progress(jobs::Stage stage, int step, int steps) const {
  on_progress_({attempt_.task, attempt_.attempt, std::string(to_string(stage)), step, steps});
}

void TaskContext::add_time(jobs::Stage stage, double seconds, bool warm, double saved_seconds) {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(
      timings_.begin(), timings_.end(),
      [&](const jobs::StageTiming& timing) { return jobs::is_stage(timing.stage, stage); });
  if (found == timings_.end()) {
    timings_.push_back({std::string(to_string(stage)), seconds, warm, saved_seconds});
  } else {
    found->seconds += seconds;
    found->warm = found->warm && warm;
    found->saved_seconds += saved_seconds;
  }
}

void TaskContext::count_call(const std::string& what) {
  const MutexLock lock(mutex_);
  ++calls_[what];
}

jobs::FeatureUse& TaskContext::feature(jobs::FeatureKind kind) {
  const auto found = std::find_if(features_.begin(), features_.end(),
                                  [&](const jobs::FeatureUse& use) { return use.kind == kind; });
  if (found != features_.end()) return *found;
  return features_.emplace_back(jobs::FeatureUse{kind});
}

void TaskContext::add_feature(jobs::FeatureUse use) {
  const MutexLock lock(mutex_);
  feature(use.kind) = use;
}

void TaskContext::feature_made(jobs::FeatureKind kind, double seconds, bool kept) {
  const MutexLock lock(mutex_);
  jobs::FeatureUse& use = feature(kind);
  use.made_seconds = seconds;
  use.kept = kept;
}

void TaskContext::feature_called(jobs::FeatureKind kind, std::uint64_t tag) {
  const MutexLock lock(mutex_);
  feature(kind).tag = tag;
}

void TaskContext::feature_damaged(jobs::FeatureKind kind) {
  const MutexLock lock(mutex_);
  jobs::FeatureUse& use = feature(kind);
  use.outcome = jobs::FeatureOutcome::kDamaged;
  use.kept = false;
}

void TaskContext::warn(std::string warning) {
  const MutexLock lock(mutex_);
  const bool is_told = std::find(warnings_.begin(), warnings_.end(), warning) != warnings_.end();
  if (!is_told) warnings_.push_back(std::move(warning));
}

void TaskContext::add_transferred(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  transferred_bytes_ += bytes;
}

void TaskContext::add_lost_input(const Digest& content) {
  const MutexLock lock(mutex_);
  lost_inputs_.push_back(content);
}

Status TaskContext::written(Status status) {
  const MutexLock lock(mutex_);
  ran_out_ = ran_out_ || status.code() == StatusCode::kResourceExhausted;
  return status;
}

void TaskContext::start_over() {
  const MutexLock lock(mutex_);
  timings_.clear();
  features_.clear();
  calls_.clear();
  warnings_.clear();
  transferred_bytes_ = 0;
  lost_inputs_.clear();
  ran_out_ = false;
}

std::vector<jobs::StageTiming> TaskContext::timings() const {
  const MutexLock lock(mutex_);
  return timings_;
}

std::vector<jobs::FeatureUse> TaskContext::features() const {
  const MutexLock lock(mutex_);
  return features_;
}

std::map<std::string, std::uint32_t> TaskContext::calls() const {
  const MutexLock lock(mutex_);
  return calls_;
}

std::vector<std::string> TaskContext::warnings() const {
  const MutexLock lock(mutex_);
  return warnings_;
}

std::uint64_t TaskContext::transferred_bytes() const {
  const MutexLock lock(mutex_);
  return transferred_bytes_;
}

std::vector<Digest> TaskContext::lost_inputs() const {
  const MutexLock lock(mutex_);
  return lost_inputs_;
}

bool TaskContext::is_of_host(const Status& end) const {
  const MutexLock lock(mutex_);
  return ran_out_ && end.code() == StatusCode::kResourceExhausted;
}

StageTimer::StageTimer(TaskContext& context, jobs::Stage stage)
    : context_(context), stage_(stage), begin_(SteadyClock().now()) {
  context_.progress(stage_);
}

void StageTimer::finish(bool warm, double saved_seconds) {
  context_.add_time(stage_, to_seconds(SteadyClock().now() - begin_), warm, saved_seconds);
}

}  // namespace mimicfleet::runner
