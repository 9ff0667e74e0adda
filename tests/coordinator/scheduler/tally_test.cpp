#include "coordinator/scheduler/tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

auto wait_of(TaskKind kind, double waited) {
  return AllOf(Field(&TaskWait::kind, kind), Field(&TaskWait::seconds, waited));
}

TEST(Tally, ATaskWaitsFromWhenItIsReadyUntilItIsLeased) {
  Fleet fleet;
  fleet.submit(1);
  fleet.pass(seconds(5));
  const WorkerId worker = fleet.join("w");
  EXPECT_THAT(fleet.tally.waits, ElementsAre(wait_of(TaskKind::kEncodeLatents, 5)));
  fleet.pass(seconds(3));  // its decode waits for it, and is not ready meanwhile
  fleet.complete(worker, fleet.lease(worker));
  EXPECT_THAT(fleet.tally.waits, ElementsAre(wait_of(TaskKind::kEncodeLatents, 5),
                                             wait_of(TaskKind::kDecodeVideo, 0)));
}

TEST(Tally, AfterARestartATaskWaitsFromThenOn) {
  Fleet fleet;
  fleet.submit(1);
  fleet.pass(seconds(50));
  fleet.restart();
  fleet.pass(seconds(1));
  fleet.join("w");
  EXPECT_THAT(fleet.tally.waits, ElementsAre(wait_of(TaskKind::kEncodeLatents, 1)));
}

TEST(Tally, AVideoIsMadeWhenItsDecodeIsCommitted) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  jobs::TaskResult result;
  result.frames = 12;
  const TaskAttempt encode = fleet.lease(worker);
  fleet.complete(worker, encode, result);
  EXPECT_EQ(fleet.job(job).videos_made, 0U);
  fleet.beat(worker);
  const TaskAttempt decode = fleet.lease(worker);
  fleet.complete(worker, decode, result);
  fleet.complete(worker, decode, result);  // the answer got lost
  const auto done = [](TaskKind kind, std::uint64_t frames) {
    return AllOf(Field(&TaskEnd::kind, kind), Field(&TaskEnd::state, TaskState::kDone),
                 Field(&TaskEnd::frames, frames));
  };
  EXPECT_THAT(fleet.tally.tasks_ended,
              ElementsAre(done(TaskKind::kEncodeLatents, 0), done(TaskKind::kDecodeVideo, 12)));
  EXPECT_THAT(fleet.tally.jobs_ended, ElementsAre(TaskState::kDone));
  fleet.restart();
  EXPECT_EQ(fleet.job(job).videos_made, 1U);
  EXPECT_EQ(fleet.job(job).frames_made, 12U);
}

TEST(Tally, WhatFailsWithATaskHasEndedToo) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.fail(worker, fleet.lease(worker), Status(StatusCode::kBadInput, "no video"));
  ASSERT_EQ(fleet.tally.tasks_ended.size(), 2U);
  for (const auto& end : fleet.tally.tasks_ended) EXPECT_EQ(end.state, TaskState::kFailed);
  EXPECT_THAT(fleet.tally.attempts_failed, ElementsAre(TaskKind::kEncodeLatents));
  EXPECT_THAT(fleet.tally.jobs_ended, ElementsAre(TaskState::kFailed));
}

TEST(Tally, ALeaseExpiresWhenItsWorkerIsSilent) {
  Fleet fleet;
  fleet.submit(1);
  fleet.join("w");
  fleet.pass(seconds(11));
  EXPECT_THAT(fleet.tally.expiries, ElementsAre(Expiry::kSilent));
  EXPECT_THAT(fleet.tally.attempts_failed, ElementsAre(TaskKind::kEncodeLatents));
}

TEST(Tally, ALeaseExpiresWhenItsTaskStandsStill) {
  Fleet fleet;
  fleet.state.config.stall = seconds(5);
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.beat(worker);
  fleet.pass(seconds(3));
  fleet.beat(worker);
  fleet.pass(seconds(3));
  EXPECT_THAT(fleet.tally.expiries, ElementsAre(Expiry::kStalled));
}

TEST(Tally, ALeaseThatNeverArrivedCountsAsNoFailure) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.pass(seconds(6));
  jobs::WorkerHeartbeat beat;
  beat.worker = worker;
  fleet.input(beat);
  EXPECT_THAT(fleet.tally.expiries, ElementsAre(Expiry::kNotStarted));
  EXPECT_THAT(fleet.tally.attempts_failed, IsEmpty());
}

TEST(Tally, AJobThatHasNothingToRetryDoesNotEndAgain) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.complete(worker, fleet.lease(worker));
  fleet.beat(worker);
  fleet.complete(worker, fleet.lease(worker));
  fleet.input(RetryJob{job});
  EXPECT_THAT(fleet.tally.jobs_ended, ElementsAre(TaskState::kDone));
  EXPECT_EQ(fleet.count_events("job_ended"), 1U);
  EXPECT_TRUE(fleet.job(job).ended);
}

}  // namespace
}  // namespace mimicfleet::coordinator
