#include "worker/runner/task_context.h"

#include <algorithm>

namespace mimicfleet::runner {

void TaskContext::cancel() {
  const std::lock_guard lock(mutex_);
  if (cancelled_.exchange(true)) return;
  for (const auto& [number, stop] : stops_) stop();
  lease_changed_.notify_all();
}

TaskContext::OnCancel TaskContext::on_cancel(std::function<void()> stop) {
  const std::lock_guard lock(mutex_);
  if (cancelled_) stop();
  stops_.emplace(++last_stop_, std::move(stop));
  return {*this, last_stop_};
}

TaskContext::OnCancel::~OnCancel() {
  if (context_ == nullptr) return;
  const std::lock_guard lock(context_->mutex_);
  context_->stops_.erase(number_);
}

void TaskContext::confirm_lease(Instant until) {
  const std::lock_guard lock(mutex_);
  lease_until_ = until;
  lease_changed_.notify_all();
}

Status TaskContext::hold_lease() const {
  std::unique_lock lock(mutex_);
  lease_changed_.wait(lock, [this] { return cancelled_ || SteadyClock().now() < lease_until_; });
  return check_cancelled();
}

Status TaskContext::check_cancelled() const {
  return cancelled() ? Status(StatusCode::kCancelled, "cancelled") : Status();
}

void TaskContext::progress(const std::string& stage, int step, int steps) const {
  on_progress_({attempt_.task, attempt_.attempt, stage, step, steps});
}

void TaskContext::add_time(const std::string& stage, double seconds, bool warm,
                           double saved_seconds) {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(timings_.begin(), timings_.end(),
                   [&](const jobs::StageTiming& timing) { return timing.stage == stage; });
  if (found == timings_.end()) {
    timings_.push_back({stage, seconds, warm, saved_seconds});
  } else {
    found->seconds += seconds;
    found->warm = found->warm && warm;
    found->saved_seconds += saved_seconds;
  }
}

void TaskContext::count_call(const std::string& what) {
  const std::lock_guard lock(mutex_);
  ++calls_[what];
}

jobs::FeatureUse& TaskContext::feature(jobs::FeatureKind kind) {
  const auto found = std::find_if(features_.begin(), features_.end(),
                                  [&](const jobs::FeatureUse& use) { return use.kind == kind; });
  if (found != features_.end()) return *found;
  return features_.emplace_back(jobs::FeatureUse{kind});
}

void TaskContext::add_feature(jobs::FeatureUse use) {
  const std::lock_guard lock(mutex_);
  feature(use.kind) = use;
}

void TaskContext::feature_made(jobs::FeatureKind kind, double seconds, bool kept) {
  const std::lock_guard lock(mutex_);
  jobs::FeatureUse& use = feature(kind);
  use.made_seconds = seconds;
  use.kept = kept;
}

void TaskContext::feature_called(jobs::FeatureKind kind, std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  feature(kind).tag = tag;
}

void TaskContext::feature_damaged(jobs::FeatureKind kind) {
  const std::lock_guard lock(mutex_);
  jobs::FeatureUse& use = feature(kind);
  use.outcome = jobs::FeatureOutcome::kDamaged;
  use.kept = false;
}

void TaskContext::warn(std::string warning) {
  const std::lock_guard lock(mutex_);
  const bool is_told = std::find(warnings_.begin(), warnings_.end(), warning) != warnings_.end();
  if (!is_told) warnings_.push_back(std::move(warning));
}

void TaskContext::add_transferred(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  transferred_bytes_ += bytes;
}

void TaskContext::add_lost_input(const Digest& content) {
  const std::lock_guard lock(mutex_);
  lost_inputs_.push_back(content);
}

Status TaskContext::written(Status status) {
  const std::lock_guard lock(mutex_);
  ran_out_ = ran_out_ || status.code() == StatusCode::kResourceExhausted;
  return status;
}

void TaskContext::start_over() {
  const std::lock_guard lock(mutex_);
  timings_.clear();
  features_.clear();
  calls_.clear();
  warnings_.clear();
  transferred_bytes_ = 0;
  lost_inputs_.clear();
  ran_out_ = false;
}

std::vector<jobs::StageTiming> TaskContext::timings() const {
  const std::lock_guard lock(mutex_);
  return timings_;
}

std::vector<jobs::FeatureUse> TaskContext::features() const {
  const std::lock_guard lock(mutex_);
  return features_;
}

std::map<std::string, std::uint32_t> TaskContext::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::vector<std::string> TaskContext::warnings() const {
  const std::lock_guard lock(mutex_);
  return warnings_;
}

std::uint64_t TaskContext::transferred_bytes() const {
  const std::lock_guard lock(mutex_);
  return transferred_bytes_;
}

std::vector<Digest> TaskContext::lost_inputs() const {
  const std::lock_guard lock(mutex_);
  return lost_inputs_;
}

bool TaskContext::is_of_host(const Status& end) const {
  const std::lock_guard lock(mutex_);
  return ran_out_ && end.code() == StatusCode::kResourceExhausted;
}

StageTimer::StageTimer(TaskContext& context, std::string stage)
    : context_(context), stage_(std::move(stage)), begin_(SteadyClock().now()) {
  context_.progress(stage_);
}

void StageTimer::finish(bool warm, double saved_seconds) {
  context_.add_time(stage_, to_seconds(SteadyClock().now() - begin_), warm, saved_seconds);
}

}  // namespace mimicfleet::runner
