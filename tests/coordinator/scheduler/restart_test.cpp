#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;

TEST(Restart, ARunningAttemptIsTakenUpByItsWorkerAndCommitsOnce) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  auto hello = fleet.hello("w");
  fleet.input(hello);
  fleet.beat(hello.worker);
  const auto attempt = fleet.lease(hello.worker);
  fleet.restart();
  hello.running = {{attempt.task, attempt.attempt, "denoise", 3, 25}};
  fleet.input(hello);
  EXPECT_EQ(fleet.lease(hello.worker), attempt);
  EXPECT_TRUE(fleet.complete(hello.worker, attempt).reply.ok());
  fleet.beat(hello.worker);
  fleet.complete(hello.worker, fleet.lease(hello.worker));
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.count_events("task_leased"), 2U);
  EXPECT_EQ(fleet.count_events("task_committed"), 2U);
}

TEST(Restart, AnAttemptWhoseWorkerNeverComesBackRunsAgain) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId gone = fleet.join("gone");
  const auto attempt = fleet.lease(gone);
  fleet.restart();
  const WorkerId other = fleet.join("other");
  EXPECT_TRUE(fleet.leases(other).empty());
  for (int i = 0; i < 25; ++i) {
    fleet.pass(seconds(1));
    fleet.beat(other);
  }
  EXPECT_EQ(fleet.lease(other).task, attempt.task);
  EXPECT_EQ(fleet.lease(other).attempt, attempt.attempt + 1);
}

TEST(Restart, LatentsAreNotMadeAgainBeforeTheirHolderHadTimeToComeBack) {
  Fleet fleet;
  fleet.submit(1);
  auto hello = fleet.hello("w");
  fleet.input(hello);
  fleet.beat(hello.worker);
  const auto encode = fleet.lease(hello.worker);
  fleet.state.workers.at(hello.worker).slots = 0;
  fleet.complete(hello.worker, encode);
  const auto latents = *fleet.state.tasks.at(encode.task).result.latents;
  fleet.restart();
  const WorkerId early = fleet.join("early");
  EXPECT_TRUE(fleet.leases(early).empty());
  hello.artefacts = {latents};
  fleet.input(hello);
  fleet.beat(early);
  EXPECT_EQ(fleet.state.tasks.at(fleet.lease(early).task).spec.kind, TaskKind::kDecodeVideo);
}

TEST(Restart, FinishedJobsStayFinished) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.complete(worker, fleet.lease(worker));
  fleet.beat(worker);
  fleet.complete(worker, fleet.lease(worker));
  fleet.restart();
  fleet.join("w");
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.done, 2U);
  EXPECT_EQ(fleet.state.next_job_number, fleet.job(job).number + 1);
}

TEST(Restart, AJobThatWasOnlyJustStoredRuns) {
  Fleet fleet;
  const JobId job = fleet.submit(2);
  for (auto& [id, task] : fleet.state.tasks)
    task.state = TaskState::kWaiting;  // as it is stored first
  fleet.restart();
  EXPECT_EQ(fleet.job(job).counts.ready, 2U);
  fleet.pass(seconds(11));  // nobody comes back with latents
  const WorkerId worker = fleet.join("w");
  for (int i = 0; i < 4; ++i) {
    fleet.beat(worker);
    fleet.complete(worker, fleet.lease(worker));
  }
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.done, 4U);
}

TEST(Restart, WhatWaitsForAnotherTaskGoesOnWaiting) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  fleet.restart();
  EXPECT_EQ(fleet.job(job).counts.ready, 1U);
  EXPECT_EQ(fleet.job(job).counts.waiting, 1U);
}

}  // namespace
}  // namespace mimicfleet::coordinator
