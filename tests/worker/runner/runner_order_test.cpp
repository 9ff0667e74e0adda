#include <algorithm>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/runner/runner.h"

// In which order a worker without a thread for the first part of encodes does what it is given.
namespace mimicfleet::runner {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Notes what it does. "begin for minutes" takes so long to begin, by the clock alone; "run at
// length" and "prepare at length" do so until go_on(); "prepare slowly" until something else
// begins, or 20 ms.
class NotingExecutor final : public Executor {
 public:
  FakeClock clock;  // of the computing thread

  Result<agent::Ready> load() override {
    return agent::Ready{"fake", {"none", "fake", "fp32", 1}, {}, {}, {}};
  }
  Result<std::unique_ptr<Prepared>> prepare(const jobs::LeaseGrant& lease, TaskContext&) override {
    note("prepare " + lease.spec.name);
    if (lease.spec.name == "prepare at length") wait_to_go_on();
    if (lease.spec.name == "prepare slowly") {
      static_cast<void>(wait_until([this] { return done_.back().starts_with("begin"); }, 20ms));
    }
    return std::make_unique<Prepared>();
  }
  Status begin(const jobs::LeaseGrant& lease, Prepared&, TaskContext&) override {
    do_part("begin " + lease.spec.name);
    if (lease.spec.name == "begin for minutes") clock.advance(2min);
    return {};
  }
  Result<bool> begin_beside(const jobs::LeaseGrant&, Prepared&, TaskContext&) override {
    return false;
  }
  Result<Outcome> run(const jobs::LeaseGrant& lease, Prepared&, TaskContext&) override {
    do_part("run " + lease.spec.name);
    if (lease.spec.name == "run at length") wait_to_go_on();
    return Outcome();
  }

  void wait_until_noted(const std::string& what) {
    EXPECT_TRUE(wait_until(
        [&] { return std::find(noted_.begin(), noted_.end(), what) != noted_.end(); }, 10s));
  }
  void go_on() {
    const std::lock_guard lock(mutex_);
    going_on_ = true;
    changed_.notify_all();
  }
  // What was computed, and what was prepared, in order.
  std::vector<std::string> done() {
    const std::lock_guard lock(mutex_);
    return done_;
  }
  std::vector<std::string> prepared() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& what : noted_) {
      if (what.starts_with("prepare ")) names.push_back(what.substr(8));
    }
    return names;
  }

 private:
  void note(const std::string& what) {
    const std::lock_guard lock(mutex_);
    noted_.push_back(what);
    changed_.notify_all();
  }
  void do_part(const std::string& what) {
    {
      const std::lock_guard lock(mutex_);
      done_.push_back(what);
    }
    note(what);
  }
  template <typename Condition>
  bool wait_until(Condition condition, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, condition);
  }
  void wait_to_go_on() {
    EXPECT_TRUE(wait_until([this] { return going_on_; }, 10s));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> noted_;
  std::vector<std::string> done_;
  bool going_on_ = false;
};

class RunnerOrder : public ::testing::Test {
 protected:
  void start(std::chrono::milliseconds decode_comes_within) {
    runner_ = std::make_unique<Runner>(
        executor_, [this](const agent::Event& event) { on_event(event); },
        [](const jobs::LeaseGrant&, const agent::TaskEnd&) {}, decode_comes_within,
        &executor_.clock);
  }
  void give(const std::string& name, jobs::TaskKind kind = jobs::TaskKind::kEncodeLatents) {
    runner_->start(lease(name, kind));
  }
  static jobs::LeaseGrant lease(const std::string& name, jobs::TaskKind kind) {
    jobs::LeaseGrant grant;
    grant.attempt = 1;
    grant.spec.id = new_id<jobs::TaskId>();
    grant.spec.name = name;
    grant.spec.kind = kind;
    return grant;
  }
  void wait_until_ended(int tasks) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return ended_ == tasks; }));
  }

  NotingExecutor executor_;
  std::optional<jobs::LeaseGrant>
      after_first_end_;  // is given when that is reported, as by a coordinator
  std::unique_ptr<Runner> runner_;

 private:
  void on_event(const agent::Event& event) {
    if (!std::holds_alternative<agent::TaskEnd>(event)) return;
    const std::lock_guard lock(mutex_);
    if (after_first_end_ && ended_ == 0) runner_->start(*after_first_end_);
    ++ended_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;
};

TEST_F(RunnerOrder, AnEncodeBeginsOnlyAfterAMomentForTheDecodeOfTheOneBefore) {
  after_first_end_ = lease("decode", jobs::TaskKind::kDecodeVideo);
  start(10s);
  give("run at length");
  executor_.wait_until_noted("run run at length");
  give("second");
  executor_.wait_until_noted("prepare second");
  executor_.go_on();
  wait_until_ended(3);
  EXPECT_THAT(executor_.done(), ElementsAre("begin run at length", "run run at length",
                                            "run decode", "begin second", "run second"));
}

TEST_F(RunnerOrder, WhereBeginningTakesLongADecodeIsWaitedForTheLonger) {
  after_first_end_ = lease("decode", jobs::TaskKind::kDecodeVideo);
  start(0ms);
  give("begin for minutes");
  give("second");
  wait_until_ended(3);
  EXPECT_THAT(executor_.done(), ElementsAre("begin begin for minutes", "run begin for minutes",
                                            "run decode", "begin second", "run second"));
}

TEST_F(RunnerOrder, ADecodeThatIsBeingPreparedIsWaitedForBeforeAnEncodeBegins) {
  after_first_end_ = lease("prepare slowly", jobs::TaskKind::kDecodeVideo);
  start(1ms);
  give("run at length");
  executor_.wait_until_noted("run run at length");
  give("second");
  executor_.wait_until_noted("prepare second");
  executor_.go_on();
  wait_until_ended(3);
  EXPECT_THAT(executor_.done(), ElementsAre("begin run at length", "run run at length",
                                            "run prepare slowly", "begin second", "run second"));
}

TEST_F(RunnerOrder, WithoutADecodeTheNextEncodeGoesOn) {
  start(1ms);
  for (const char* name : {"first", "second", "third"}) give(name);
  wait_until_ended(3);
  EXPECT_THAT(executor_.done(), ElementsAre("begin first", "run first", "begin second",
                                            "run second", "begin third", "run third"));
}

TEST_F(RunnerOrder, ADecodeIsPreparedBeforeEncodesThatCameEarlier) {
  start(1ms);
  give("prepare at length");
  executor_.wait_until_noted("prepare prepare at length");
  give("second");
  give("decode", jobs::TaskKind::kDecodeVideo);
  executor_.go_on();
  wait_until_ended(3);
  EXPECT_THAT(executor_.prepared(), ElementsAre("prepare at length", "decode", "second"));
}

}  // namespace
}  // namespace mimicfleet::runner
