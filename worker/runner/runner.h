#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "worker/agent/agent.h"
#include "worker/runner/task_context.h"

namespace mimicfleet::runner {

// The inputs of one task, ready to be computed on.
class Prepared {
 public:
  virtual ~Prepared() = default;
};

// What tasks are made of. The stages implement it with LibTorch, tests without.
class Executor {
 public:
  virtual ~Executor() = default;
  // Finds and loads the models. On the computing thread, first.
  [[nodiscard]] virtual Result<agent::Ready> load() = 0;
  // Checks and fetches what the task needs, without computing. On the preparing thread, while another task
  // runs.
  [[nodiscard]] virtual Result<std::unique_ptr<Prepared>> prepare(const jobs::LeaseGrant& lease,
                                                                  TaskContext& context) = 0;
  // On the computing thread. Looks at context.cancelled() between steps.
  [[nodiscard]] virtual Result<jobs::TaskResult> run(const jobs::LeaseGrant& lease, Prepared& prepared,
                                                     TaskContext& context) = 0;
  // Asked on the computing thread after each task: why this process can do no other one.
  [[nodiscard]] virtual Status end_of_process() const { return {}; }
};

// Two threads: one prepares the next task while the other computes. Only the computing thread runs LibTorch.
//
//   start() ──► waiting ──preparing thread──► prepared ──computing thread──► TaskEnd
//
// Every attempt that was started ends with exactly one TaskEnd, also when it is cancelled in a queue.
class Runner final : public agent::TaskRunner {
 public:
  using Post = std::function<void(agent::Event)>;
  // Sees every end before it is posted. Also that of a failed attempt has the stages that were finished.
  using Observer = std::function<void(const jobs::LeaseGrant&, const agent::TaskEnd&)>;

  // `post` and `observe` are called from both threads. When loading fails, or a task leaves the process
  // unusable, Stop is posted. All must outlive the runner.
  Runner(Executor& executor, Post post, Observer observe);
  // Cancels all and waits for the stages to notice, see stop().
  ~Runner() override;

  void start(jobs::LeaseGrant lease) override;
  void cancel(const jobs::TaskAttempt& attempt) override;

  // Cancels all; false if a stage did not come to its next step within `patience`. Nothing may be started
  // afterwards.
  [[nodiscard]] bool stop(std::chrono::milliseconds patience);

  // Why Stop was posted: the models could not be loaded, or Executor::end_of_process().
  [[nodiscard]] Status failure() const;

 private:
  struct Task {
    jobs::LeaseGrant lease;
    std::unique_ptr<TaskContext> context;
    std::unique_ptr<Prepared> prepared;
  };
  using TaskPtr = std::shared_ptr<Task>;

  void prepare_loop();
  void compute_loop();
  [[nodiscard]] TaskPtr next(std::deque<TaskPtr>& queue);  // null: stopping
  void end(const TaskPtr& task, Result<jobs::TaskResult> result);
  void request_stop();
  void give_up(const Status& status);

  Executor& executor_;
  const Post post_;
  const Observer observe_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  int running_threads_ = 2;
  Status failure_;
  std::vector<TaskPtr> tasks_;  // all that have not ended
  std::deque<TaskPtr> waiting_;
  std::deque<TaskPtr> prepared_;

  std::thread preparing_;
  std::thread computing_;
};

}  // namespace mimicfleet::runner
