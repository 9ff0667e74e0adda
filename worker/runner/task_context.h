#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "jobs/computations.h"
#include "jobs/messages.h"
#include "jobs/stages.h"

namespace mimicfleet::runner {

// What the stages of one attempt are told and tell: cancellation, progress, timings, warnings. Used
// by the threads that prepare the attempt, compute it and finish it.
class TaskContext {
 public:
  using OnProgress = std::function<void(const jobs::TaskProgress&)>;
  TaskContext(jobs::TaskAttempt attempt, OnProgress on_progress)
      : attempt_(attempt), on_progress_(std::move(on_progress)) {}

  [[nodiscard]] const jobs::TaskAttempt& attempt() const { return attempt_; }

  void cancel();
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  [[nodiscard]] Status check_cancelled() const;  // kCancelled, or ok

  // Until the returned object is gone, `stop` is called when the attempt is cancelled, at once if
  // it was: it ends what others may wait for. It has to be quick and may not use this context.
  class [[nodiscard]] OnCancel {
   public:
    OnCancel(TaskContext& context, std::uint64_t number) : context_(&context), number_(number) {}
    ~OnCancel();
    OnCancel(OnCancel&& other) noexcept
        : context_(std::exchange(other.context_, nullptr)), number_(other.number_) {}
    OnCancel& operator=(OnCancel&&) = delete;

   private:
    TaskContext* context_;  // null: moved from
    std::uint64_t number_;
  };
  OnCancel on_cancel(std::function<void()> stop);

  // The attempt's lease is known to last until then; for ever where nobody says it.
  void confirm_lease(Instant until);
  // Asked before anything takes the place of what another attempt at the task may have made (a
  // Permit): ok while the lease lasts. While nothing is heard of the coordinator it waits: that may
  // have given the task away, or come back and know the lease. kCancelled once it is given away.
  [[nodiscard]] Status hold_lease() const;

  // `step` of `steps` of the stage is done; 0 of 0: the stage begins.
  void progress(jobs::Stage stage, int step = 0, int steps = 0) const;

  // Adds to the stage's seconds. A stage of which any part was made anew is cold.
  void add_time(jobs::Stage stage, double seconds, bool warm, double saved_seconds = 0);
  // `what` was computed once more: video_decode, image_decode, detector, clip, vae_encode, …
  void count_call(const std::string& what);
  void count_call(jobs::Computation what) { count_call(std::string(to_string(what))); }
  // How the attempt came by a feature; then, unless it was a hit, what making it cost and whether
  // it is kept.
  void add_feature(jobs::FeatureUse use);
  void feature_made(jobs::FeatureKind kind, double seconds, bool kept);
  void feature_called(jobs::FeatureKind kind, std::uint64_t tag);  // it is kept under another key
  void feature_damaged(jobs::FeatureKind kind);  // what looked like a hit was none
  void warn(std::string warning);                // the same one only once
  void add_transferred(std::uint64_t bytes);
  void add_lost_input(const Digest& content);
  // Passes on how writing to this host's disks went. What it has too little of, another host may
  // have.
  [[nodiscard]] Status written(Status status);
  // Forgets what was told so far: the attempt begins anew.
  void start_over();

  // For the report, once the attempt is over.
  [[nodiscard]] std::vector<jobs::StageTiming> timings() const;
  [[nodiscard]] std::vector<jobs::FeatureUse> features() const;
  [[nodiscard]] std::map<std::string, std::uint32_t> calls() const;
  [[nodiscard]] std::vector<std::string> warnings() const;
  [[nodiscard]] std::uint64_t transferred_bytes() const;
  [[nodiscard]] std::vector<Digest> lost_inputs() const;
  // Whether an attempt that ends with this status failed because this host ran out of something.
  [[nodiscard]] bool is_of_host(const Status& end) const;

 private:
  jobs::FeatureUse& feature(jobs::FeatureKind kind) REQUIRES(mutex_);

  const jobs::TaskAttempt attempt_;
  const OnProgress on_progress_;
  std::atomic<bool> cancelled_ = false;
  mutable Mutex mutex_;
  // What on_cancel() was given, by number.
  std::map<std::uint64_t, std::function<void()>> stops_ GUARDED_BY(mutex_);
  std::uint64_t last_stop_ GUARDED_BY(mutex_) = 0;
  mutable Condition lease_changed_;
  Instant lease_until_ GUARDED_BY(mutex_) = Instant::max();
  // In the order in which the stages began.
  std::vector<jobs::StageTiming> timings_ GUARDED_BY(mutex_);
  std::vector<jobs::FeatureUse> features_ GUARDED_BY(mutex_);
  std::map<std::string, std::uint32_t> calls_ GUARDED_BY(mutex_);
  std::vector<std::string> warnings_ GUARDED_BY(mutex_);
  std::uint64_t transferred_bytes_ GUARDED_BY(mutex_) = 0;
  std::vector<Digest> lost_inputs_ GUARDED_BY(mutex_);
  bool ran_out_ GUARDED_BY(mutex_) = false;
};

// Times a stage from its making to finish(); without finish() nothing is noted (the stage failed).
class StageTimer {
 public:
  StageTimer(TaskContext& context, jobs::Stage stage);
  void finish(bool warm = false, double saved_seconds = 0);

 private:
  TaskContext& context_;
  jobs::Stage stage_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace mimicfleet::runner
