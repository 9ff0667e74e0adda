#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/stages.h"
#include "tests/worker/planted_fault.h"
#include "tests/worker/stages/executor_test_base.h"

namespace mimicfleet::stages {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// A worker that begins an encode on a second thread while it samples another one, as on a GPU.
class BeginBesideTest : public StageExecutorTest {
 protected:
  struct Attempt {
    explicit Attempt(jobs::LeaseGrant grant)
        : lease(std::move(grant)),
          context({lease.spec.id, lease.attempt},
                  [this](const auto& progress) { stage = progress.stage; }) {}
    jobs::LeaseGrant lease;
    std::string stage;  // the last that was told
    runner::TaskContext context;
    std::unique_ptr<runner::Prepared> prepared;
  };
  static void SetUpTestSuite() {
    StageExecutorTest::SetUpTestSuite();
    ExecutorSeams seams;
    seams.open_device = [](const worker::WorkerConfig& config) -> Result<device::Device> {
      ASSIGN_OR_RETURN(device::Device device, open_device(config));
      device.fits_two = true;  // as on a GPU
      return device;
    };
    seams.before_part = [](at::Device device) {
      if (planted_.exchange(false)) fail_in_a_kernel(device);
    };
    beside_ = std::make_unique<Worker>(std::move(seams));
  }
  static void TearDownTestSuite() {
    beside_.reset();
    StageExecutorTest::TearDownTestSuite();
  }
  static StageExecutor& executor() { return beside_->executor; }

  // Nothing out of the cache and nothing into it, so that all of it is computed each time.
  [[nodiscard]] jobs::LeaseGrant fresh(const std::string& video) const {
    auto lease = encode(kPack + "videos/" + video);
    lease.spec.features.use = false;
    return lease;
  }
  static void prepare(Attempt& attempt) {
    auto prepared = executor().prepare(attempt.lease, attempt.context);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    attempt.prepared = std::move(*prepared);
  }
  static Result<jobs::TaskResult> sample(Attempt& attempt) {
    ASSIGN_OR_RETURN(auto computed,
                     executor().run(attempt.lease, *attempt.prepared, attempt.context));
    return std::move(computed.result);
  }

  inline static std::unique_ptr<Worker> beside_;
  inline static std::atomic<bool> planted_ = false;  // a fault of the device
};

TEST_F(BeginBesideTest, WhatIsBegunBesideASamplingHasTheSameLatentsAsOneByOne) {
  const auto alone_a = run(fresh("a.mp4"));
  const auto alone_b = run(fresh("b.mp4"));
  ASSERT_TRUE(alone_a.ok() && alone_b.ok());
  Attempt a(fresh("a.mp4"));
  Attempt b(fresh("b.mp4"));
  prepare(a);
  prepare(b);
  ASSERT_TRUE(executor().begin(a.lease, *a.prepared, a.context).ok());
  Result<bool> begun = false;
  std::thread side(
      [&] { begun = executor().condition_overlapped(b.lease, *b.prepared, b.context); });
  const auto made_a = sample(a);
  side.join();
  ASSERT_TRUE(begun.ok() && *begun) << begun.status();
  const auto made_b = sample(b);
  ASSERT_TRUE(made_a.ok() && made_b.ok());
  EXPECT_EQ(made_a->latents->content, alone_a->latents->content);
  EXPECT_EQ(made_b->latents->content, alone_b->latents->content);
  EXPECT_THAT(b.context.warnings(), Not(Contains(HasSubstr("not overlapped"))));
}

TEST_F(BeginBesideTest, AfterAFailureOfTheDeviceTheTaskIsPreparedOnceMoreAndBeginsInItsTurn) {
  const auto alone = run(fresh("a.mp4"));
  ASSERT_TRUE(alone.ok()) << alone.status();
  Attempt a(fresh("a.mp4"));
  prepare(a);
  planted_ = true;
  const auto begun = executor().condition_overlapped(a.lease, *a.prepared, a.context);
  EXPECT_FALSE(planted_);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_FALSE(*begun);
  EXPECT_EQ(a.stage, to_string(jobs::Stage::kQueued));
  ASSERT_TRUE(executor().begin(a.lease, *a.prepared, a.context).ok());
  const auto made = sample(a);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->latents->content, alone->latents->content);
  EXPECT_EQ(a.context.calls(), context_->calls()) << "as if it had been prepared once";
}

TEST_F(BeginBesideTest, ATaskThatIsCancelledEnds) {
  Attempt a(fresh("a.mp4"));
  prepare(a);
  a.context.cancel();
  EXPECT_EQ(executor().condition_overlapped(a.lease, *a.prepared, a.context).status().code(),
            StatusCode::kCancelled);
}

TEST_F(BeginBesideTest, NothingBeginsBesideWithModelsThatAreNotLoaded) {
  Attempt a(fresh("a.mp4"));
  prepare(a);
  a.lease.spec.model_set = sha256("others");
  const auto begun = executor().condition_overlapped(a.lease, *a.prepared, a.context);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_FALSE(*begun);
}

TEST_F(BeginBesideTest, OnACpuNothingBeginsBesideByItself) {
  Attempt a(fresh("a.mp4"));
  prepare(a);
  const auto begun = worker_->executor.condition_overlapped(a.lease, *a.prepared, a.context);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_FALSE(*begun);
}

}  // namespace
}  // namespace mimicfleet::stages
