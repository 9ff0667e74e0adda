#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "worker/runner/task_context.h"
#include "worker/task.h"

namespace mimicfleet::runner {

// The inputs of one task, ready to be computed on.
class Prepared {
 public:
  virtual ~Prepared() = default;
};

// A task whose models have run.
struct Outcome {
  jobs::TaskResult result;
  // What is left to do, with all that it needs for it; adds to the result. Looks at
  // context.cancelled() first. Called at most once. Empty: nothing is left.
  std::function<Status(jobs::TaskResult& result)> finish;
};

// What tasks are made of. The stages implement it with LibTorch, tests without.
class Executor {
 public:
  virtual ~Executor() = default;
  // Finds and loads the models. On the computing thread, first.
  [[nodiscard]] virtual Result<worker::Ready> load() = 0;
  // Checks and fetches what the task needs, without computing. On the preparing thread, while
  // another task runs.
  [[nodiscard]] virtual Result<std::unique_ptr<Prepared>> prepare(const jobs::LeaseGrant& lease,
                                                                  TaskContext& context) = 0;
  // On the computing thread: conditions an encode. Decodes may run between begin() and run().
  [[nodiscard]] virtual Status begin(const jobs::LeaseGrant& lease, Prepared& prepared,
                                     TaskContext& context) = 0;
  // The same on the conditioning thread, while run() of another task is on the computing thread.
  // False: the device cannot do both at once; begin() is called later, with unchanged inputs.
  [[nodiscard]] virtual Result<bool> condition_overlapped(const jobs::LeaseGrant& lease,
                                                          Prepared& prepared,
                                                          TaskContext& context) = 0;
  // On the computing thread. Looks at context.cancelled() between steps. `finish` of what it
  // returns runs on the finishing thread, while the next task computes; lease, inputs and context
  // live until then.
  [[nodiscard]] virtual Result<Outcome> run(const jobs::LeaseGrant& lease, Prepared& prepared,
                                            TaskContext& context) = 0;
  // Asked on the computing thread after each part of a task, and on any when the process ends: why
  // this process can do no other one.
  [[nodiscard]] virtual Status end_of_process() const { return {}; }
};

// Has four threads. While the computing thread computes one task, the preparing thread prepares the
// next one, the conditioning thread conditions it if the device can do both at once, and the
// finishing thread finishes the last one. Only the computing and the conditioning thread run
// LibTorch.
//
//   start() ─► waiting ─(preparing)─► prepared ─(computing)─► computed ─(finishing)─► TaskEnd
//                                       ▲  │
//                                       └──┘ (conditioning)
//
// Encodes are prepared and computed in their order. Decodes finish a video, and so they go first:
// they are prepared first, and the computing thread takes a prepared decode before encodes, also
// between an encode's conditioning and its sampling. Before it takes another encode, it waits a
// moment for the decode of the clip before: longer if that decode would otherwise have to wait
// longer.
//
// Every attempt that was started ends with exactly one TaskEnd, also if it is cancelled in a queue.
// When the runner stops, some attempts may end without one.
//
// Owns the tasks from start() to their TaskEnd. start(), cancel(), confirm(), stop() and failure()
// may be called on any thread. A failed stage ends its task, not the runner; see failure().
class Runner final : public worker::TaskRunner {
 public:
  using Post = std::function<void(worker::Event)>;
  // Sees every end before it is posted. A failed attempt has the stages that it finished, too.
  using Observer = std::function<void(const jobs::LeaseGrant&, const worker::TaskEnd&)>;
  // Time from an encode's end to the decode of its latents, with a coordinator nearby.
  static constexpr std::chrono::milliseconds kDecodeComesWithin{50};
  // Before the computing thread conditions an encode itself, which on a CPU takes a minute, it
  // waits this many times as long, and at least this share (a tenth) of the last conditioning's
  // time, since a busy machine does not answer at once.
  static constexpr int kTimesBeforeConditioning = 5;
  static constexpr int kShareOfConditioning = 10;
  // And this long for the preparation of a decode that has arrived.
  static constexpr std::chrono::seconds kDecodeIsPreparedWithin{5};

  // `post` and `observe` are called from all threads. When loading fails, or a task leaves the
  // process unusable, Stop is posted. `clock` measures how long tasks begin; null: the steady one.
  // All must outlive the runner.
  Runner(Executor& executor, Post post, Observer observe,
         std::chrono::milliseconds decode_comes_within = kDecodeComesWithin,
         const Clock* clock = nullptr);
  // Cancels all and waits for the stages to notice, see stop().
  ~Runner() override;

  void start(jobs::LeaseGrant lease) override;
  void cancel(const jobs::TaskAttempt& attempt) override;
  void confirm(const worker::Confirmation& lease) override;

  // Cancels all; false if a stage did not come to its next step within `patience`. Nothing may be
  // started afterwards.
  [[nodiscard]] bool stop(std::chrono::milliseconds patience);

  // Why Stop was posted: the models could not be loaded, or Executor::end_of_process().
  [[nodiscard]] Status failure() const;

 private:
  enum class Phase {
    kToCondition,
    kToConditionInTurn,  // its conditioning cannot be overlapped
    kConditioning,       // overlapped with another task, and still in prepared_
    kConditioned,        // decodes are conditioned from the start
    kComputed,
  };
  struct Task {
    jobs::LeaseGrant lease;
    std::unique_ptr<TaskContext> context;
    std::unique_ptr<Prepared> prepared;
    Phase phase = Phase::kToCondition;
    Outcome outcome;
  };
  using TaskPtr = std::shared_ptr<Task>;

  void prepare_loop();
  void condition_loop();
  void compute_loop();
  void finish_loop();
  [[nodiscard]] TaskPtr next_to_prepare();    // null: stopping
  [[nodiscard]] TaskPtr next_to_condition();  // null: stopping
  void condition_overlapped(const TaskPtr& task);
  [[nodiscard]] TaskPtr next_to_compute();  // null: stopping
  void compute(const TaskPtr& task);
  [[nodiscard]] static bool is_decode(const Task& task);
  [[nodiscard]] Duration patience_for_decode(const Task& next) const REQUIRES(mutex_);
  [[nodiscard]] bool prepares_decode() const REQUIRES(mutex_);
  [[nodiscard]] std::deque<TaskPtr>::iterator choose_to_compute() REQUIRES(mutex_);
  [[nodiscard]] std::deque<TaskPtr>::iterator choose_to_condition() REQUIRES(mutex_);
  [[nodiscard]] bool may_start(const Task& task) const REQUIRES(mutex_);
  void hand_to_finishing(const TaskPtr& task, Outcome outcome);
  void finish(const TaskPtr& task);
  void wait_until_finished();
  void thread_ends();
  void end(const TaskPtr& task, Result<jobs::TaskResult> result);
  void request_stop();
  void give_up(const Status& status);

  Executor& executor_;
  const Post post_;
  const Observer observe_;
  const std::chrono::milliseconds decode_comes_within_;
  const SteadyClock steady_;
  const Clock& clock_;

  mutable Mutex mutex_;
  Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  int running_threads_ GUARDED_BY(mutex_) = 4;
  Status failure_ GUARDED_BY(mutex_);
  std::vector<TaskPtr> tasks_ GUARDED_BY(mutex_);  // all that have not ended
  std::deque<TaskPtr> waiting_ GUARDED_BY(mutex_);
  std::deque<TaskPtr> prepared_ GUARDED_BY(mutex_);
  std::deque<TaskPtr> computed_ GUARDED_BY(mutex_);
  int unfinished_ GUARDED_BY(mutex_) = 0;          // computed, and not yet ended
  bool running_ GUARDED_BY(mutex_) = false;        // Executor::run() is on the computing thread
  bool encoded_ GUARDED_BY(mutex_) = false;        // the computing thread ran an encode last
  bool decodes_follow_ GUARDED_BY(mutex_) = true;  // the last decode that was waited for came
  // Of the last encode that began in its turn.
  Duration conditioning_took_ GUARDED_BY(mutex_){0};

  std::thread preparing_;
  std::thread conditioning_;
  std::thread computing_;
  std::thread finishing_;
};

}  // namespace mimicfleet::runner
