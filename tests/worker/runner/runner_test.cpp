#include "worker/runner/runner.h"

#include <atomic>
#include <map>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/patience.h"

namespace mimicfleet::runner {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct PreparedName final : Prepared {
  std::string name;
};

// Tasks do what their name says: "fail", "fail to prepare", "throw", "wait" (until cancelled), or
// succeed. "begin at length", "run at length" and "finish at length" do so until go_on(), "beside
// at length" begins so beside another task.
class FakeExecutor final : public Executor {
 public:
  Status load_failure;
  bool begins_beside = false;

  Result<agent::Ready> load() override {
    if (!load_failure.ok()) return load_failure;
    return agent::Ready{"fake", {"none", "fake", "fp32", 1}, {}, {}, {}};
  }
  Result<std::unique_ptr<Prepared>> prepare(const jobs::LeaseGrant& lease, TaskContext&) override {
    if (lease.spec.name == "fail to prepare") return Status(StatusCode::kInputChanged, "changed");
    auto prepared = std::make_unique<PreparedName>();
    prepared->name = lease.spec.name;
    const std::lock_guard lock(mutex_);
    prepared_.insert(lease.spec.name);
    changed_.notify_all();
    return std::unique_ptr<Prepared>(std::move(prepared));
  }
  Status begin(const jobs::LeaseGrant& lease, Prepared&, TaskContext&) override {
    EXPECT_FALSE(begins_.exchange(true)) << "two begin at once";
    note("begin " + lease.spec.name);
    if (lease.spec.name == "fail to begin") {
      begins_ = false;
      return {StatusCode::kBadInput, "nobody to be seen"};
    }
    if (lease.spec.name == "begin at length") wait_to_go_on();
    begins_ = false;
    return {};
  }
  Result<bool> begin_beside(const jobs::LeaseGrant& lease, Prepared&,
                            TaskContext& context) override {
    if (!begins_beside) return false;
    EXPECT_FALSE(begins_.exchange(true)) << "two begin at once";
    note("beside " + lease.spec.name);
    if (lease.spec.name == "beside at length") wait_to_go_on();
    begins_ = false;
    if (lease.spec.name == "fail to begin")
      return Status(StatusCode::kBadInput, "nobody to be seen");
    if (lease.spec.name == "throw beside") throw std::runtime_error("library");
    RETURN_IF_ERROR(context.check_cancelled());
    return lease.spec.name != "alone";
  }
  Result<Outcome> run(const jobs::LeaseGrant& lease, Prepared& prepared,
                      TaskContext& context) override {
    note("run " + lease.spec.name);
    EXPECT_EQ(dynamic_cast<PreparedName&>(prepared).name, lease.spec.name);
    StageTimer timer(context, "denoise");
    context.warn("a warning");
    context.add_transferred(7);
    if (lease.spec.name == "fail") {
      context.add_lost_input(sha256("lost"));
      return Status(StatusCode::kBadInput, "a.mp4: is empty");
    }
    if (lease.spec.name == "break the device") {
      const std::lock_guard lock(mutex_);
      end_of_process_ = Status(StatusCode::kUnavailable, "the device is lost");
      return end_of_process_;
    }
    if (lease.spec.name == "throw") throw std::runtime_error("library");
    if (lease.spec.name == "exhaust") throw std::bad_alloc();
    if (lease.spec.name == "run at length") wait_to_go_on();
    while (lease.spec.name == "wait" && !context.cancelled()) std::this_thread::yield();
    RETURN_IF_ERROR(context.check_cancelled());
    timer.finish();
    Outcome outcome;
    outcome.result.frames = 3;
    if (lease.spec.name.starts_with("finish")) {
      outcome.finish = [this, &lease, &context](jobs::TaskResult& result) {
        note(lease.spec.name);
        if (lease.spec.name == "finish at length") {
          wait_to_go_on();
          note("finished at length");
        }
        if (lease.spec.name == "finish with its lease") RETURN_IF_ERROR(context.hold_lease());
        if (lease.spec.name == "finish badly once cancelled") {
          while (!context.cancelled()) std::this_thread::yield();
          return Status(StatusCode::kInternal, "the encoder ended");
        }
        RETURN_IF_ERROR(context.check_cancelled());
        if (lease.spec.name == "finish with an exception") throw std::runtime_error("disk");
        result.width = 5;
        return Status();
      };
    }
    return outcome;
  }
  Status end_of_process() const override { return end_of_process_; }
  void wait_until_prepared(const std::string& name) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return prepared_.contains(name); }));
  }
  void wait_until_noted(const std::string& what) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] {
      return std::find(noted_.begin(), noted_.end(), what) != noted_.end();
    }));
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    going_on_ = true;
    changed_.notify_all();
  }
  std::vector<std::string> noted() {
    const std::lock_guard lock(mutex_);
    return noted_;
  }

 private:
  void note(std::string what) {
    const std::lock_guard lock(mutex_);
    noted_.push_back(std::move(what));
    changed_.notify_all();
  }
  void wait_to_go_on() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return going_on_; }));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> prepared_;
  std::vector<std::string> noted_;
  bool going_on_ = false;
  std::atomic<bool> begins_ = false;
  Status end_of_process_;
};

class RunnerTest : public ::testing::Test {
 protected:
  Runner& start() {
    runner_ = std::make_unique<Runner>(
        executor_,
        [this](agent::Event event) {
          const std::lock_guard lock(mutex_);
          if (auto* end = std::get_if<agent::TaskEnd>(&event)) {
            if (after_first_end_ && ends_.empty()) runner_->start(*after_first_end_);
            ends_.push_back(std::move(*end));
          }
          if (auto* computed = std::get_if<agent::Computed>(&event))
            computed_.push_back(computed->attempt);
          if (auto* progress = std::get_if<jobs::TaskProgress>(&event)) {
            stages_[progress->task].push_back(progress->stage);
          }
          ready_ = ready_ || std::holds_alternative<agent::Ready>(event);
          if (std::holds_alternative<agent::Stop>(event)) {
            stopped_ = true;
            ends_when_stopped_ = ends_.size();
          }
          changed_.notify_all();
        },
        [this](const jobs::LeaseGrant& lease, const agent::TaskEnd& end) {
          const std::lock_guard lock(mutex_);
          observed_[lease.spec.name] = end.status.code();
        },
        decode_comes_within_);
    return *runner_;
  }
  static jobs::LeaseGrant lease(const std::string& name,
                                jobs::TaskKind kind = jobs::TaskKind::kEncodeLatents) {
    jobs::LeaseGrant grant;
    grant.attempt = 1;
    grant.spec.id = new_id<jobs::TaskId>();
    grant.spec.name = name;
    grant.spec.kind = kind;
    return grant;
  }
  template <typename Condition>
  void wait_until(Condition condition) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, condition));
  }
  // With an executor that begins tasks beside `first`, which runs.
  Runner& start_beside(const jobs::LeaseGrant& first) {
    executor_.begins_beside = true;
    start().start(first);
    executor_.wait_until_noted("run " + first.spec.name);
    return *runner_;
  }
  agent::TaskEnd run(const std::string& name) {
    const std::size_t before = ends_.size();
    runner_->start(lease(name));
    wait_until([&] { return ends_.size() > before; });
    return ends_.back();
  }

  FakeExecutor executor_;
  std::chrono::milliseconds decode_comes_within_ = Runner::kDecodeComesWithin;
  std::optional<jobs::LeaseGrant> after_first_end_;  // is started when it is posted
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<agent::TaskEnd> ends_;
  std::vector<jobs::TaskAttempt> computed_;
  std::map<jobs::TaskId, std::vector<std::string>> stages_;
  std::map<std::string, StatusCode> observed_;
  bool ready_ = false;
  bool stopped_ = false;
  std::size_t ends_when_stopped_ = 0;
  std::unique_ptr<Runner> runner_;
};

TEST_F(RunnerTest, AResultCarriesTimingsWarningsAndBytes) {
  start();
  const auto end = run("succeed");
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.result.frames, 3);
  ASSERT_THAT(end.result.stages, SizeIs(1));
  EXPECT_EQ(end.result.stages[0].stage, "denoise");
  EXPECT_THAT(end.result.warnings, ElementsAre("a warning"));
  EXPECT_EQ(end.result.transferred_bytes, 7);
  EXPECT_TRUE(ready_);
}

TEST_F(RunnerTest, FailuresOfAllKindsEndOneTaskAndTheNextOneRuns) {
  start();
  EXPECT_EQ(run("fail to prepare").status.code(), StatusCode::kInputChanged);
  const auto failed = run("fail");
  EXPECT_EQ(failed.status, Status(StatusCode::kBadInput, "a.mp4: is empty"));
  EXPECT_THAT(failed.lost_inputs, ElementsAre(sha256("lost")));
  EXPECT_THAT(run("throw").status.message(), HasSubstr("library"));
  EXPECT_EQ(run("fail to begin").status.message(), "nobody to be seen");
  EXPECT_THAT(run("finish with an exception").status.message(), HasSubstr("disk"));
  EXPECT_EQ(run("exhaust").status.code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(run("succeed").status.ok());
  EXPECT_EQ(observed_["fail"], StatusCode::kBadInput);
  EXPECT_EQ(observed_["succeed"], StatusCode::kOk);
}

TEST_F(RunnerTest, TheNextTaskIsPreparedWhileOneRuns) {
  Runner& runner = start();
  const auto first = lease("wait");
  runner.start(first);
  executor_.wait_until_prepared("wait");
  runner.start(lease("second"));
  executor_.wait_until_prepared("second");
  EXPECT_TRUE(ends_.empty());
  runner.cancel({first.spec.id, first.attempt});
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
  EXPECT_TRUE(ends_[1].status.ok());
}

TEST_F(RunnerTest, ATaskThatIsCancelledWhileItWaitsEndsToo) {
  Runner& runner = start();
  const auto first = lease("wait");
  const auto second = lease("second");
  runner.start(first);
  runner.start(second);
  runner.cancel({second.spec.id, second.attempt});
  runner.cancel({first.spec.id, first.attempt});
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
  EXPECT_EQ(ends_[1].status.code(), StatusCode::kCancelled);
}

TEST_F(RunnerTest, ATaskThatWaitsForAnotherSaysSoBeforeAndAfterItHasBegun) {
  Runner& runner = start();
  const auto first = lease("wait");
  const auto second = lease("second");
  runner.start(first);
  runner.start(second);
  wait_until([&] { return !stages_[second.spec.id].empty(); });
  EXPECT_THAT(stages_[second.spec.id], ElementsAre("queued"))
      << "prepared, while the first one runs";
  runner.cancel({first.spec.id, first.attempt});
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_THAT(stages_[second.spec.id], ElementsAre("queued", "queued", "denoise"));
}

TEST_F(RunnerTest, AnotherAttemptAtATaskWaitsUntilTheFirstOneIsFinished) {
  Runner& runner = start();
  auto attempt = lease("finish at length", jobs::TaskKind::kDecodeVideo);
  runner.start(attempt);
  executor_.wait_until_noted("finish at length");
  runner.cancel({attempt.spec.id, attempt.attempt});
  ++attempt.attempt;
  runner.start(attempt);
  runner.start(lease("second"));
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_NE(ends_[0].attempt.task, attempt.spec.id);
  executor_.go_on();
  wait_until([&] { return ends_.size() == 3; });
  EXPECT_EQ(ends_[1].attempt.attempt, 1U);
  EXPECT_EQ(ends_[1].status.code(), StatusCode::kCancelled);
  EXPECT_TRUE(ends_[2].status.ok()) << ends_[2].status;
}

TEST_F(RunnerTest, ATaskThatIsComputedWhenTheRunnerStopsIsTidiedUp) {
  Runner& runner = start();
  runner.start(lease("finish at length"));
  runner.start(lease("finish 2"));
  wait_until([&] { return computed_.size() == 2; });
  EXPECT_FALSE(runner.stop(0ms));
  executor_.go_on();
  EXPECT_TRUE(runner.stop(kPatience));
  EXPECT_THAT(executor_.noted(), ::testing::Contains("finish 2")) << "told that it is cancelled";
}

TEST_F(RunnerTest, AnAttemptHoldsNoLeaseBeforeTheCoordinatorHasConfirmedIt) {
  Runner& runner = start();
  const auto first = lease("finish with its lease");
  const auto second = lease("finish with its lease");
  runner.start(first);
  runner.start(second);
  wait_until([&] { return computed_.size() == 2; });
  runner.cancel({first.spec.id, first.attempt});
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
  runner.confirm({{second.spec.id, second.attempt}, Instant::max()});
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_TRUE(ends_[1].status.ok()) << ends_[1].status;
}

TEST_F(RunnerTest, WhatFailsBecauseItWasCancelledIsCancelled) {
  Runner& runner = start();
  const auto task = lease("finish badly once cancelled");
  runner.start(task);
  executor_.wait_until_noted("finish badly once cancelled");
  runner.cancel({task.spec.id, task.attempt});
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
}

TEST_F(RunnerTest, ADecodeThatComesWhileAnEncodeBeginsRunsBeforeIt) {
  Runner& runner = start();
  runner.start(lease("begin at length"));
  runner.start(lease("second encode"));
  executor_.wait_until_noted("begin begin at length");
  executor_.wait_until_prepared("second encode");
  runner.start(lease("decode", jobs::TaskKind::kDecodeVideo));
  executor_.wait_until_prepared("decode");
  // It is among the prepared ones once the thread that prepared it has the next one.
  runner.start(lease("third encode"));
  executor_.wait_until_prepared("third encode");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 4; });
  EXPECT_THAT(executor_.noted(),
              ElementsAre("begin begin at length", "run decode", "run begin at length",
                          "begin second encode", "run second encode", "begin third encode",
                          "run third encode"));
}

TEST_F(RunnerTest, ADecodeOfOtherModelsDoesNotComeBetweenThePartsOfAnEncode) {
  Runner& runner = start();
  runner.start(lease("begin at length"));
  executor_.wait_until_noted("begin begin at length");
  runner.start(lease("second encode"));
  auto decode = lease("decode", jobs::TaskKind::kDecodeVideo);
  decode.spec.model_set = sha256("other models");
  runner.start(decode);
  runner.start(lease("third encode"));
  executor_.wait_until_prepared("third encode");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 4; });
  EXPECT_THAT(executor_.noted(),
              ElementsAre("begin begin at length", "run begin at length", "run decode",
                          "begin second encode", "run second encode", "begin third encode",
                          "run third encode"));
}

TEST_F(RunnerTest, AnEncodeBeginsBesideTheTaskThatRuns) {
  decode_comes_within_ = 1ms;
  Runner& runner = start_beside(lease("run at length"));
  const auto second = lease("second");
  runner.start(second);
  wait_until([&] { return stages_[second.spec.id].size() == 2; });
  EXPECT_THAT(stages_[second.spec.id], ElementsAre("queued", "queued")) << "prepared, then begun";
  EXPECT_TRUE(ends_.empty());
  executor_.go_on();
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_THAT(executor_.noted(), ElementsAre("begin run at length", "run run at length",
                                             "beside second", "run second"));
}

TEST_F(RunnerTest, NothingBeginsBesideATaskThatItselfBegins) {
  executor_.begins_beside = true;
  decode_comes_within_ = 1ms;
  Runner& runner = start();
  runner.start(lease("begin at length"));
  executor_.wait_until_noted("begin begin at length");
  runner.start(lease("second"));
  runner.start(lease("third"));
  executor_.wait_until_prepared("third");
  EXPECT_THAT(executor_.noted(), ElementsAre("begin begin at length"));
  executor_.go_on();
  wait_until([&] { return ends_.size() == 3; });
}

TEST_F(RunnerTest, WhatCannotBeginBesideBeginsInItsTurn) {
  Runner& runner = start_beside(lease("run at length"));
  runner.start(lease("alone"));
  executor_.wait_until_noted("beside alone");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_THAT(executor_.noted(), ElementsAre("begin run at length", "run run at length",
                                             "beside alone", "begin alone", "run alone"));
}

TEST_F(RunnerTest, AFailureToBeginBesideEndsThatTaskWhileTheOtherOneRuns) {
  Runner& runner = start_beside(lease("run at length"));
  runner.start(lease("fail to begin"));
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_EQ(ends_[0].status.message(), "nobody to be seen");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_TRUE(ends_[1].status.ok()) << ends_[1].status;
}

TEST_F(RunnerTest, AnExceptionWhileATaskBeginsBesideEndsThatTask) {
  Runner& runner = start_beside(lease("run at length"));
  runner.start(lease("throw beside"));
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_THAT(ends_[0].status.message(), HasSubstr("library"));
  executor_.go_on();
  wait_until([&] { return ends_.size() == 2; });
}

TEST_F(RunnerTest, StoppingWaitsForWhatBeginsBeside) {
  Runner& runner = start_beside(lease("wait"));
  runner.start(lease("beside at length"));
  executor_.wait_until_noted("beside beside at length");
  EXPECT_FALSE(runner.stop(0ms));
  executor_.go_on();
  EXPECT_TRUE(runner.stop(kPatience));
}

TEST_F(RunnerTest, WhileATaskBeginsBesideDecodesOfItsModelsRunAndOthersWait) {
  decode_comes_within_ = 1ms;
  const auto first = lease("wait");
  Runner& runner = start_beside(first);
  runner.start(lease("beside at length"));
  executor_.wait_until_noted("beside beside at length");
  auto other = lease("other models", jobs::TaskKind::kDecodeVideo);
  other.spec.model_set = sha256("other models");
  runner.start(other);
  runner.cancel({first.spec.id, first.attempt});
  runner.start(lease("decode", jobs::TaskKind::kDecodeVideo));
  executor_.wait_until_noted("run decode");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 4; });
  EXPECT_THAT(executor_.noted(),
              ElementsAre("begin wait", "run wait", "beside beside at length", "run decode",
                          "run beside at length", "run other models"));
}

TEST_F(RunnerTest, WhatBeginsBesideIsWaitedForAndNothingElseBeginsMeanwhile) {
  decode_comes_within_ = 1ms;
  const auto first = lease("wait");
  Runner& runner = start_beside(first);
  runner.start(lease("beside at length"));
  runner.start(lease("third"));
  executor_.wait_until_noted("beside beside at length");
  executor_.wait_until_prepared("third");
  runner.cancel({first.spec.id, first.attempt});
  wait_until([&] { return ends_.size() == 1; });
  executor_.go_on();
  wait_until([&] { return ends_.size() == 3; });
  const auto noted = executor_.noted();
  const auto place = [&](const char* what) { return std::find(noted.begin(), noted.end(), what); };
  EXPECT_LT(place("run beside at length"), place("begin third"))
      << "if it begins in its turn at all";
  EXPECT_LT(place("run beside at length"), place("run third"));
}

TEST_F(RunnerTest, ATaskThatIsCancelledWhileItBeginsBesideEnds) {
  const auto second = lease("beside at length");
  Runner& runner = start_beside(lease("wait"));
  runner.start(second);
  executor_.wait_until_noted("beside beside at length");
  runner.cancel({second.spec.id, second.attempt});
  executor_.go_on();
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_EQ(ends_[0].attempt.task, second.spec.id);
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
  EXPECT_TRUE(runner.stop(kPatience));
}

TEST_F(RunnerTest, AnEncodeThatHasBegunBesideWaitsAMomentForTheDecodeOfTheOneBefore) {
  decode_comes_within_ = kPatience;
  after_first_end_ = lease("decode", jobs::TaskKind::kDecodeVideo);
  Runner& runner = start_beside(lease("run at length"));
  const auto second = lease("second");
  runner.start(second);
  wait_until([&] { return stages_[second.spec.id].size() == 2; });
  executor_.go_on();
  wait_until([&] { return ends_.size() == 3; });
  EXPECT_THAT(executor_.noted(), ElementsAre("begin run at length", "run run at length",
                                             "beside second", "run decode", "run second"));
}

TEST_F(RunnerTest, ATaskIsFinishedWhileTheNextOneRuns) {
  Runner& runner = start();
  const auto first = lease("finish at length");
  runner.start(first);
  runner.start(lease("second"));
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_TRUE(ends_[0].attempt.task != first.spec.id);
  EXPECT_THAT(computed_, ElementsAre(jobs::TaskAttempt{first.spec.id, first.attempt}));
  executor_.go_on();
  wait_until([&] { return ends_.size() == 2; });
  EXPECT_TRUE(ends_[1].status.ok()) << ends_[1].status;
  EXPECT_EQ(ends_[1].result.frames, 3);
  EXPECT_EQ(ends_[1].result.width, 5);
}

TEST_F(RunnerTest, NoMoreThanTwoTasksWaitToBeFinished) {
  Runner& runner = start();
  runner.start(lease("finish at length"));
  for (const char* name : {"finish 2", "finish 3", "finish 4"}) runner.start(lease(name));
  executor_.wait_until_noted("run finish 3");
  executor_.wait_until_prepared("finish 4");
  executor_.go_on();
  wait_until([&] { return ends_.size() == 4; });
  const auto noted = executor_.noted();
  EXPECT_LT(std::find(noted.begin(), noted.end(), "finished at length"),
            std::find(noted.begin(), noted.end(), "begin finish 4"));
}

TEST_F(RunnerTest, ATaskThatIsCancelledWhileItIsFinishedEndsSo) {
  Runner& runner = start();
  const auto first = lease("finish at length");
  runner.start(first);
  executor_.wait_until_noted("finish at length");
  runner.cancel({first.spec.id, first.attempt});
  executor_.go_on();
  wait_until([&] { return ends_.size() == 1; });
  EXPECT_EQ(ends_[0].status.code(), StatusCode::kCancelled);
}

TEST_F(RunnerTest, WhatIsAlmostDoneIsFinishedBeforeAnUnusableProcessEnds) {
  Runner& runner = start();
  runner.start(lease("finish at length"));
  runner.start(lease("break the device"));
  wait_until([&] { return ends_.size() == 1; });
  executor_.go_on();
  wait_until([&] { return stopped_; });
  EXPECT_EQ(ends_when_stopped_, 2U);
  EXPECT_TRUE(ends_.back().status.ok()) << ends_.back().status;
}

TEST_F(RunnerTest, StoppingCancelsWhatRuns) {
  Runner& runner = start();
  runner.start(lease("wait"));
  executor_.wait_until_prepared("wait");
  EXPECT_TRUE(runner.stop(kPatience));
}

TEST_F(RunnerTest, ModelsThatCannotBeLoadedStopTheWorker) {
  executor_.load_failure = Status(StatusCode::kNotFound, "models/x.pth: not found");
  Runner& runner = start();
  wait_until([&] { return stopped_; });
  EXPECT_EQ(runner.failure(), executor_.load_failure);
  EXPECT_FALSE(ready_);
}

TEST_F(RunnerTest, ATaskThatLeavesTheProcessUnusableIsReportedAndThenTheWorkerStops) {
  Runner& runner = start();
  EXPECT_EQ(run("break the device").status.code(), StatusCode::kUnavailable);
  wait_until([&] { return stopped_; });
  EXPECT_THAT(runner.failure().message(), HasSubstr("device is lost"));
  EXPECT_TRUE(runner.stop(kPatience));
}

}  // namespace
}  // namespace mimicfleet::runner
