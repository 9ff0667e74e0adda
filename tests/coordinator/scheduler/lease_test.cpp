#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

const Status kTransient(StatusCode::kInternal, "a passing fault");
const Status kBadVideo(StatusCode::kBadInput, "a.mp4: no moov atom");

TEST(Leases, AClipRunsAsEncodeThenDecodeAndTheJobEnds) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  const auto encode = fleet.lease(worker);
  EXPECT_EQ(fleet.state.tasks.at(encode.task).spec.kind, TaskKind::kEncodeLatents);
  EXPECT_TRUE(fleet.complete(worker, encode).reply.ok());
  fleet.beat(worker);
  const auto decode = fleet.lease(worker);
  EXPECT_EQ(fleet.state.tasks.at(decode.task).spec.kind, TaskKind::kDecodeVideo);
  EXPECT_EQ(fleet.grants.back().lease.inputs.at(0).replicas, std::vector<std::string>{"tcp://w"});
  fleet.complete(worker, decode);
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.count_events("task_committed"), 2U);
  EXPECT_EQ(fleet.count_events("job_ended"), 1U);
}

TEST(Leases, AWorkerThatFallsSilentLosesItsLeaseAndAnotherGetsTheNextAttempt) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId silent = fleet.join("silent");
  const auto first = fleet.lease(silent);
  const WorkerId other = fleet.join("other");
  fleet.pass(seconds(9));
  EXPECT_EQ(fleet.leases(silent).size(), 1U);
  fleet.beat(other);
  fleet.pass(seconds(2));
  EXPECT_EQ(fleet.count_events("lease_expired"), 1U);
  fleet.pass(seconds(2));  // the back-off
  fleet.beat(other);
  const auto second = fleet.lease(other);
  EXPECT_EQ(second.task, first.task);
  EXPECT_EQ(second.attempt, first.attempt + 1);
}

TEST(Leases, AZombieThatFinishesAfterItsLeaseWasGivenAwayChangesNothing) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId zombie = fleet.join("zombie");
  const auto first = fleet.lease(zombie);
  const WorkerId other = fleet.join("other");
  for (int i = 0; i < 14; ++i) {
    fleet.pass(seconds(1));
    fleet.beat(other);
  }
  const auto second = fleet.lease(other);
  const Decision late = fleet.complete(zombie, first);
  EXPECT_EQ(late.reply.code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(late.changed_tasks.empty());
  EXPECT_EQ(fleet.count_events("stale_result"), 1U);
  EXPECT_EQ(fleet.lease(other), second);
  EXPECT_TRUE(fleet.complete(other, second).reply.ok());
  EXPECT_EQ(fleet.count_events("task_committed"), 1U);
}

TEST(Leases, ACompletionThatIsSentTwiceIsAnsweredTheSameAndCommittedOnce) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  const auto attempt = fleet.lease(worker);
  EXPECT_TRUE(fleet.complete(worker, attempt).reply.ok());
  EXPECT_TRUE(fleet.complete(worker, attempt).reply.ok());
  EXPECT_EQ(fleet.count_events("task_committed"), 1U);
}

TEST(Leases, HeartbeatsRenewALeaseForAsLongAsThereIsProgress) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("slow");
  for (int step = 0; step < 3600; ++step) {  // five hours, a step every five minutes
    fleet.pass(seconds(5));
    fleet.beat(worker, 1, step / 60);
  }
  EXPECT_EQ(fleet.count_events("lease_expired"), 0U);
}

TEST(Leases, AWorkerThatBeatsButDoesNotMoveLosesItsLeaseAtLast) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("stuck");
  for (int i = 0; i < 31 * 12; ++i) {
    fleet.pass(seconds(5));
    fleet.beat(worker, 1, 3);
    if (fleet.count_events("lease_expired") > 0) break;
  }
  EXPECT_EQ(fleet.count_events("lease_expired"), 1U);
}

TEST(Leases, ATaskThatWaitsForAnotherOfItsWorkerKeepsItsLeaseAsLongAsThatOneMoves) {
  Fleet fleet;
  fleet.submit(2);
  const WorkerId worker = fleet.join("slow", 2);
  const auto held = fleet.leases(worker);
  ASSERT_EQ(held.size(), 2U);
  const std::map<TaskId, std::string> waits = {{held[1].task, "queued"}};
  for (int minute = 0; minute < 120; ++minute) {  // a step every five minutes
    for (int beat = 0; beat < 12; ++beat) {
      fleet.pass(seconds(5));
      fleet.beat(worker, 2, minute / 5, waits);
    }
  }
  EXPECT_EQ(fleet.count_events("lease_expired"), 0U);
  for (int beat = 0; beat < 31 * 12; ++beat) {  // no step any more
    fleet.pass(seconds(5));
    fleet.beat(worker, 2, 24, waits);
  }
  EXPECT_EQ(fleet.count_events("lease_expired"), 2U);
}

TEST(Leases, WhoseVideoIsOnlyToBeEndedTakesNoSlot) {
  Fleet fleet;
  fleet.submit(4);
  const WorkerId worker = fleet.join("w", 2);
  const auto first = fleet.leases(worker).at(0);
  ASSERT_EQ(fleet.leases(worker).size(), 2U);
  fleet.beat(worker, 2, 1, {{first.task, "mux"}});
  EXPECT_EQ(fleet.leases(worker).size(), 3U) << "another one while it ends";
  fleet.beat(worker, 2, 2, {{first.task, "mux"}});
  EXPECT_EQ(fleet.leases(worker).size(), 3U);
  fleet.complete(worker, first);
  EXPECT_EQ(fleet.leases(worker).size(), 2U) << "it had no slot to give back";
}

TEST(Leases, ATransientFailureIsTriedAgainAndBounded) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    const auto lease = fleet.lease(worker);
    EXPECT_EQ(lease.attempt, attempt);
    fleet.fail(worker, lease, kTransient);
    fleet.pass(seconds(5));
    fleet.beat(worker);
  }
  EXPECT_TRUE(fleet.leases(worker).empty());
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.failed, 2U);  // the encode, and the decode that needed it
}

TEST(Leases, BadInputIsNotTriedAgainAndOtherClipsGoOn) {
  Fleet fleet;
  const JobId job = fleet.submit(2);
  const WorkerId worker = fleet.join("w");
  const auto bad = fleet.lease(worker);
  fleet.fail(worker, bad, kBadVideo);
  EXPECT_EQ(fleet.state.tasks.at(bad.task).state, TaskState::kFailed);
  for (int i = 0; i < 2; ++i) {
    fleet.beat(worker);
    fleet.complete(worker, fleet.lease(worker));
  }
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.done, 2U);
  EXPECT_EQ(fleet.job(job).counts.failed, 2U);
}

TEST(Leases, HandingALeaseBackCostsNoAttempt) {
  Fleet fleet;
  fleet.submit(1);
  for (int i = 0; i < 5; ++i) {
    const WorkerId worker = fleet.join("preempted");
    jobs::TaskFailed released;
    released.worker = worker;
    released.attempt = fleet.lease(worker);
    released.status = Status(StatusCode::kCancelled, "preempted");
    released.released = true;
    fleet.state.workers.at(worker).drain = true;
    fleet.input(released);
    fleet.input(jobs::WorkerGoodbye{worker});
  }
  EXPECT_EQ(fleet.count_events("task_failed"), 0U);
  EXPECT_EQ(fleet.state.ready.size(), 1U);
}

TEST(Leases, ALeaseThatIsHandedBackIsNotGivenToThatWorkerBeforeItsNextHeartbeat) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("full");
  jobs::TaskFailed released;
  released.worker = worker;
  released.attempt = fleet.lease(worker);
  released.status = Status(StatusCode::kUnavailable, "takes no more");
  released.released = true;
  fleet.input(released);
  EXPECT_TRUE(fleet.leases(worker).empty());
  fleet.beat(worker);
  EXPECT_EQ(fleet.lease(worker).attempt, 2U);
}

TEST(Leases, AResultThatAHeartbeatStillListsTakesNoSlot) {
  Fleet fleet;
  fleet.submit(3);
  const WorkerId worker = fleet.join("w", 2);
  const auto held = fleet.leases(worker);
  ASSERT_EQ(held.size(), 2U);
  jobs::WorkerHeartbeat beat;  // sent when the first result was reported and not answered
  beat.worker = worker;
  beat.state = jobs::WorkerState::kReady;
  beat.running = {{held[0].task, held[0].attempt, "reported", 0, 0},
                  {held[1].task, held[1].attempt, "x", 0, 0}};
  beat.free_slots = 1;
  fleet.complete(worker, held[0]);
  fleet.input(beat);
  EXPECT_EQ(fleet.leases(worker).size(), 2U);
}

TEST(Leases, AGrantThatGotLostIsGivenAgain) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  const auto lost = fleet.lease(worker);
  fleet.clock.advance(seconds(6));
  jobs::WorkerHeartbeat empty;
  empty.worker = worker;
  empty.state = jobs::WorkerState::kReady;
  empty.free_slots = 1;
  fleet.input(empty);
  const auto again = fleet.lease(worker);
  EXPECT_EQ(again.task, lost.task);
  EXPECT_EQ(again.attempt, lost.attempt + 1);
  EXPECT_EQ(fleet.state.tasks.at(lost.task).failures, 0U);
}

TEST(Leases, CancellingStopsWhatWaitsAndRevokesWhatRuns) {
  Fleet fleet;
  const JobId job = fleet.submit(2);
  const WorkerId worker = fleet.join("w");
  const auto running = fleet.lease(worker);
  fleet.input(CancelJob{job});
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.cancelled, 4U);
  jobs::WorkerHeartbeat beat;
  beat.worker = worker;
  beat.state = jobs::WorkerState::kReady;
  beat.running = {{running.task, running.attempt, "denoise", 1, 25}};
  EXPECT_EQ(fleet.input(beat).revoked, std::vector<TaskAttempt>{running});
  EXPECT_EQ(fleet.complete(worker, running).reply.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(fleet.job(job).counts.cancelled, 4U);
}

TEST(Leases, ARetryRunsOnlyWhatFailed) {
  Fleet fleet;
  const JobId job = fleet.submit(2);
  const WorkerId worker = fleet.join("w");
  fleet.fail(worker, fleet.lease(worker), kBadVideo);
  for (int i = 0; i < 2; ++i) {
    fleet.beat(worker);
    fleet.complete(worker, fleet.lease(worker));
  }
  ASSERT_TRUE(fleet.job(job).ended);
  fleet.input(RetryJob{job});
  EXPECT_FALSE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.done, 2U);
  for (int i = 0; i < 2; ++i) {
    fleet.beat(worker);
    fleet.complete(worker, fleet.lease(worker));
  }
  EXPECT_EQ(fleet.job(job).counts.done, 4U);
  EXPECT_TRUE(fleet.job(job).ended);
}

TEST(Leases, APauseOfTheCoordinatorIsNotTheWorkersFault) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId worker = fleet.join("w");
  fleet.input(Tick{});
  fleet.clock.advance(seconds(100));  // stopped; no tick came
  fleet.input(Tick{});
  EXPECT_EQ(fleet.count_events("lease_expired"), 0U);
  EXPECT_EQ(fleet.leases(worker).size(), 1U);
}

TEST(Leases, AnUnknownWorkerIsToldToSayHello) {
  Fleet fleet;
  const Decision decision = fleet.beat(new_id<WorkerId>());
  EXPECT_EQ(decision.reply.code(), StatusCode::kNotFound);
  EXPECT_THAT(decision.reply.message(), HasSubstr("say hello"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
