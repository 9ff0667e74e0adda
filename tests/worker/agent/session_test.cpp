#include "worker/agent/session.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::agent {
namespace {

using namespace std::chrono_literals;
using jobs::TaskAttempt;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

jobs::WorkerHello new_worker() {
  jobs::WorkerHello hello;
  hello.worker = new_id<WorkerId>();
  return hello;
}

// A session and what it wants; the test plays coordinator, runner and time.
class SessionTest : public ::testing::Test {
 protected:
  explicit SessionTest(SessionOptions options = {})
      : session_(new_worker(), options, clock_.now()) {
    take();
  }

  // Carries out what the session wants; messages stay in `sent_`.
  void take() {
    Actions actions = session_.take_actions();
    for (const auto& bytes : actions.messages) sent_.push_back(wire::open_envelope(bytes).value());
    for (const auto& attempt : actions.cancel) cancelled_.push_back(attempt);
    for (const auto& lease : actions.start) started_.push_back({lease.spec.id, lease.attempt});
    for (const auto& lease : actions.confirm) confirmed_[lease.attempt] = lease.until;
    reconnects_ += actions.reconnect ? 1 : 0;
    left_ = left_ || actions.left;
    if (!actions.refusal.ok()) refusal_ = actions.refusal;
  }
  void advance(Duration by) {
    clock_.advance(by);
    session_.on_time(clock_.now());
    take();
  }
  template <typename T>
  void coordinator_says(const T& message, RequestId request = new_id<RequestId>()) {
    session_.on_message(wire::seal(message, request), clock_.now());
    take();
  }
  void welcome(std::uint64_t epoch = 1) {
    jobs::WorkerWelcome message;
    message.epoch = epoch;
    coordinator_says(message);
  }
  void ready() {
    session_.on_ready({"cpu", {"libtorch-2.11.0", "cpu", "fp32", 1}, {}, {}, {}}, clock_.now());
    take();
    welcome();
    sent_.clear();
  }
  TaskAttempt grant(std::uint64_t epoch = 1, TaskAttempt attempt = {new_id<jobs::TaskId>(), 1}) {
    jobs::LeaseGrant grant;
    grant.epoch = epoch;
    grant.attempt = attempt.attempt;
    grant.spec.id = attempt.task;
    coordinator_says(grant);
    return attempt;
  }
  void end(const TaskAttempt& attempt, Status status = {}, jobs::TaskResult result = {}) {
    session_.on_end({attempt, std::move(status), std::move(result), {}, false}, clock_.now());
    take();
  }
  void revoke(const TaskAttempt& attempt) {
    jobs::HeartbeatReply reply;
    reply.epoch = 1;
    reply.revoked = {attempt};
    coordinator_says(reply);
  }
  // Sends a heartbeat and returns when.
  Instant beat() {
    advance(1s);
    EXPECT_THAT(taken<jobs::WorkerHeartbeat>(), SizeIs(1));
    return clock_.now();
  }
  void answer_beat(RequestId request, std::uint64_t epoch = 1) {
    jobs::HeartbeatReply reply;
    reply.epoch = epoch;
    coordinator_says(reply, request);
  }

  // The messages of one type that were sent since the last call, oldest first.
  template <typename T>
  std::vector<T> taken() {
    std::vector<T> messages;
    std::erase_if(sent_, [&](const wire::Envelope& envelope) {
      if (envelope.type != T::kType) return false;
      messages.push_back(wire::body_as<T>(envelope).value());
      last_request_ = envelope.request;
      return true;
    });
    return messages;
  }

  FakeClock clock_;
  Session session_;
  std::vector<wire::Envelope> sent_;
  RequestId last_request_;
  std::vector<TaskAttempt> started_;
  std::vector<TaskAttempt> cancelled_;
  std::map<TaskAttempt, Instant> confirmed_;
  int reconnects_ = 0;
  bool left_ = false;
  Status refusal_;
};

TEST_F(SessionTest, AWorkerThatStillLoadsSaysHelloAndThenBeats) {
  EXPECT_THAT(taken<jobs::WorkerHello>(), SizeIs(1));
  advance(1s);
  EXPECT_THAT(taken<jobs::WorkerHello>(), SizeIs(1)) << "nobody answered yet";
  welcome();
  advance(100ms);
  const auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_EQ(beats[0].state, jobs::WorkerState::kLoading);
  EXPECT_EQ(beats[0].free_slots, 0);
  advance(999ms);
  EXPECT_THAT(taken<jobs::WorkerHeartbeat>(), IsEmpty());
  advance(1ms);
  EXPECT_THAT(taken<jobs::WorkerHeartbeat>(), SizeIs(1));
}

TEST_F(SessionTest, WhatBecameKnownIsInTheNextHello) {
  taken<jobs::WorkerHello>();
  session_.on_holding({"tcp://127.0.0.1:7000", {{sha256("key"), sha256("content"), 5, {}}}},
                      clock_.now());
  jobs::ModelSet set;
  set.id = sha256("set");
  session_.on_ready({"cpu", {"libtorch-2.11.0", "cpu", "fp32", 1}, {set}, {{7, 2.5}}, {"fp8"}},
                    clock_.now());
  take();
  const auto hellos = taken<jobs::WorkerHello>();
  ASSERT_THAT(hellos, SizeIs(2));
  EXPECT_EQ(hellos[0].data_endpoint, "tcp://127.0.0.1:7000");
  EXPECT_EQ(hellos[1].data_endpoint, "tcp://127.0.0.1:7000");
  EXPECT_THAT(hellos[1].artefacts, SizeIs(1));
  EXPECT_EQ(hellos[1].model_sets.at(0).id, sha256("set"));
  ASSERT_THAT(hellos[1].features, SizeIs(1));
  EXPECT_EQ(hellos[1].features[0].tag, 7U);
  EXPECT_EQ(hellos[1].abilities, std::vector<std::string>{"fp8"});
}

TEST_F(SessionTest,
       FeaturesThatWereMadeAndKeptAreInTheNextHelloSoThatARestartedCoordinatorKnowsThem) {
  ready();
  using enum jobs::FeatureOutcome;
  jobs::TaskResult result;
  result.features = {{jobs::FeatureKind::kKeypoints, kMiss, 1, 4.5, true},
                     {jobs::FeatureKind::kClipEmbedding, kMiss, 2, 1, false},
                     {jobs::FeatureKind::kVaeLatent, kHit, 3, 1, true}};
  end(grant(), {}, result);
  coordinator_says(jobs::ErrorReply{Status(StatusCode::kNotFound, "unknown worker")});
  const auto hellos = taken<jobs::WorkerHello>();
  ASSERT_THAT(hellos, SizeIs(1));
  ASSERT_THAT(hellos[0].features, SizeIs(1));
  EXPECT_EQ(hellos[0].features[0].tag, 1U);
  EXPECT_EQ(hellos[0].features[0].made_seconds, 4.5);
}

TEST_F(SessionTest, AReadyWorkerTakesTwoLeasesAndHandsAThirdBack) {
  ready();
  const auto first = grant();
  const auto second = grant();
  EXPECT_THAT(started_, ElementsAre(first, second));
  const auto third = grant();
  EXPECT_THAT(started_, SizeIs(2));
  const auto failed = taken<jobs::TaskFailed>();
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].attempt, third);
  EXPECT_TRUE(failed[0].released);
  advance(100ms);
  const auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_EQ(beats[0].free_slots, 0);
  EXPECT_THAT(beats[0].running, SizeIs(2));
}

TEST_F(SessionTest, WhetherAFailureIsTheHostsIsTold) {
  ready();
  const auto attempt = grant();
  session_.on_end({attempt, Status(StatusCode::kResourceExhausted, "no space left"), {}, {}, true},
                  clock_.now());
  take();
  end(grant(), Status(StatusCode::kResourceExhausted, "out of device memory"));
  const auto failed = taken<jobs::TaskFailed>();
  ASSERT_THAT(failed, SizeIs(2));
  EXPECT_TRUE(failed[0].of_host);
  EXPECT_FALSE(failed[1].of_host);
}

TEST_F(SessionTest, ProgressIsToldAtOnceButNotMoreThanTenTimesASecond) {
  ready();
  const auto attempt = grant();
  advance(100ms);
  taken<jobs::WorkerHeartbeat>();
  for (int step = 1; step <= 20; ++step) {
    session_.on_progress({attempt.task, attempt.attempt, "denoise", step, 20}, clock_.now());
    advance(10ms);
  }
  const auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(2));
  EXPECT_EQ(beats[1].running.at(0).step, 20);
  EXPECT_EQ(beats[1].running.at(0).stage, "denoise");
}

TEST_F(SessionTest, AResultIsRepeatedUntilItIsAnswered) {
  ready();
  const auto attempt = grant();
  jobs::TaskResult result;
  result.frames = 13;
  end(attempt, Status(), result);
  ASSERT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  advance(2s);
  const auto repeated = taken<jobs::TaskCompleted>();
  ASSERT_THAT(repeated, SizeIs(1));
  EXPECT_EQ(repeated[0].result.frames, 13);
  advance(3s);
  EXPECT_THAT(taken<jobs::TaskCompleted>(), IsEmpty()) << "each time later";
  advance(1s);
  ASSERT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  coordinator_says(jobs::OkReply{}, last_request_);
  advance(9s);
  EXPECT_THAT(taken<jobs::TaskCompleted>(), IsEmpty());
}

TEST_F(SessionTest, AResultThatWaitsForItsAnswerKeepsItsLeaseButNoSlot) {
  ready();
  const auto attempt = grant();
  end(attempt);
  advance(100ms);
  const auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  ASSERT_THAT(beats[0].running, SizeIs(1));
  EXPECT_EQ(beats[0].running[0].task, attempt.task);
  EXPECT_EQ(beats[0].free_slots, 2);
}

TEST_F(SessionTest, AStaleResultIsDroppedAndTroubleThatPassesIsNot) {
  ready();
  end(grant());
  taken<jobs::TaskCompleted>();
  coordinator_says(jobs::ErrorReply{Status(StatusCode::kResourceExhausted, "the disk is full")},
                   last_request_);
  advance(2s);
  ASSERT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  coordinator_says(jobs::ErrorReply{Status(StatusCode::kFailedPrecondition, "stale")},
                   last_request_);
  advance(9s);
  EXPECT_THAT(taken<jobs::TaskCompleted>(), IsEmpty());
}

TEST_F(SessionTest, ARevokedAttemptIsCancelledAndItsEndIsNotReported) {
  ready();
  const auto attempt = grant();
  revoke(attempt);
  revoke(attempt);
  EXPECT_THAT(cancelled_, ElementsAre(attempt));
  advance(100ms);
  auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_THAT(beats[0].running, IsEmpty());
  EXPECT_EQ(beats[0].free_slots, 1) << "it still runs here";
  end(attempt);
  EXPECT_THAT(taken<jobs::TaskCompleted>(), IsEmpty());
  advance(100ms);
  beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_EQ(beats[0].free_slots, 2);
}

TEST_F(SessionTest, ALeaseIsConfirmedFromTheTimeAtWhichTheHeartbeatThatWasAnsweredWasSent) {
  ready();
  const auto attempt = grant();
  EXPECT_THAT(confirmed_, IsEmpty()) << "the grant may have been long on its way";
  const Instant sent = beat();
  const RequestId first = last_request_;
  beat();
  answer_beat(first);
  EXPECT_THAT(confirmed_, ElementsAre(std::pair(attempt, sent + 10s)));
}

TEST_F(SessionTest, AnAnswerConfirmsOnlyWhatItsHeartbeatListedAndOnlyOfACoordinatorThatIsObeyed) {
  ready();
  beat();
  const RequestId before = last_request_;
  const auto attempt = grant();
  answer_beat(before);
  answer_beat(new_id<RequestId>());
  beat();
  const RequestId after = last_request_;
  answer_beat(after, /*epoch=*/0);
  EXPECT_THAT(confirmed_, IsEmpty());
  const Instant sent = beat();
  answer_beat(last_request_);
  EXPECT_THAT(confirmed_, ElementsAre(std::pair(attempt, sent + 10s)));
  confirmed_.clear();
  answer_beat(after);
  EXPECT_THAT(confirmed_, IsEmpty()) << "older than what is known";
}

TEST_F(SessionTest, ALeaseThatIsTakenBackIsNotConfirmedAnyMore) {
  ready();
  const auto attempt = grant();
  beat();
  const RequestId request = last_request_;
  revoke(attempt);
  answer_beat(request);
  EXPECT_THAT(confirmed_, IsEmpty());
}

TEST_F(SessionTest, AnAttemptThatNeedsNoModelsAnyMoreTakesNoSlotButKeepsItsLease) {
  ready();
  const auto attempt = grant();
  grant();
  advance(100ms);
  EXPECT_EQ(taken<jobs::WorkerHeartbeat>().at(0).free_slots, 0);
  session_.on_computed({attempt});
  advance(100ms);
  const auto beats = taken<jobs::WorkerHeartbeat>();
  ASSERT_THAT(beats, SizeIs(1)) << "at once: the next task should come";
  EXPECT_EQ(beats[0].free_slots, 1);
  EXPECT_THAT(beats[0].running, SizeIs(2));
  const auto next = grant();
  EXPECT_EQ(started_.back(), next);
  end(attempt);
  EXPECT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
}

TEST_F(SessionTest, ACoordinatorThatRestartedLearnsWhatRunsAndWhatIsHeld) {
  ready();
  const auto attempt = grant();
  const auto other = grant();
  jobs::TaskResult result;
  result.latents = jobs::ArtefactRef{sha256("key"), sha256("content"), 5, {}};
  end(other, Status(), result);
  taken<jobs::TaskCompleted>();
  coordinator_says(jobs::ErrorReply{Status(StatusCode::kNotFound, "unknown worker")});
  const auto hellos = taken<jobs::WorkerHello>();
  ASSERT_THAT(hellos, SizeIs(1));
  EXPECT_THAT(hellos[0].running, SizeIs(2));
  EXPECT_THAT(hellos[0].artefacts, SizeIs(1));
  welcome(2);
  const auto completed = taken<jobs::TaskCompleted>();
  ASSERT_THAT(completed, SizeIs(1)) << "results are sent again at once";
  EXPECT_EQ(completed[0].attempt, other);
  (void)attempt;
}

TEST_F(SessionTest, ACoordinatorOfALowerEpochIsNotObeyed) {
  ready();
  welcome(5);
  grant(4);
  EXPECT_THAT(started_, IsEmpty());
  const auto attempt = grant(5);
  revoke(attempt);  // epoch 1
  EXPECT_THAT(cancelled_, IsEmpty());
}

TEST_F(SessionTest, ALeaseThatIsGrantedTwiceStartsOnce) {
  ready();
  const auto attempt = grant();
  grant(1, attempt);
  EXPECT_THAT(started_, SizeIs(1));
  EXPECT_THAT(taken<jobs::TaskFailed>(), IsEmpty());
}

TEST_F(SessionTest, ASilentCoordinatorGetsANewConnectionAndWorkGoesOn) {
  ready();
  const auto attempt = grant();
  taken<jobs::WorkerHello>();
  for (int i = 0; i < 12; ++i) advance(1s);
  EXPECT_EQ(reconnects_, 1);
  EXPECT_THAT(cancelled_, IsEmpty());
  EXPECT_THAT(taken<jobs::WorkerHello>(), testing::Not(IsEmpty()));
  end(attempt);
  for (int i = 0; i < 60; ++i) advance(1s);
  taken<jobs::TaskCompleted>();
  welcome();
  EXPECT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
}

TEST_F(SessionTest, AStopHandsEverythingBackAndLeavesOnceAnswered) {
  ready();
  const auto attempt = grant();
  const auto finished = grant();
  end(finished);
  taken<jobs::TaskCompleted>();
  session_.on_stop(clock_.now());
  take();
  EXPECT_THAT(cancelled_, ElementsAre(attempt));
  ASSERT_THAT(sent_,
              testing::Contains(testing::Field(&wire::Envelope::type, jobs::WorkerGoodbye::kType)));
  EXPECT_EQ(sent_.back().type, jobs::WorkerGoodbye::kType) << "the result goes first";
  EXPECT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  taken<jobs::WorkerGoodbye>();
  grant();
  EXPECT_THAT(started_, SizeIs(2)) << "no lease is taken any more";
  EXPECT_FALSE(left_);
  coordinator_says(jobs::OkReply{}, last_request_);
  EXPECT_TRUE(left_);
}

TEST_F(SessionTest, AStopDoesNotWaitForACoordinatorThatIsGone) {
  session_.on_stop(clock_.now());
  take();
  EXPECT_LE(session_.next_due(), clock_.now() + 2s);
  advance(2s);
  EXPECT_TRUE(left_);
}

TEST_F(SessionTest, ADrainFinishesWhatRunsAndLeaves) {
  ready();
  const auto attempt = grant();
  jobs::HeartbeatReply drain;
  drain.epoch = 1;
  drain.drain = true;
  coordinator_says(drain);
  EXPECT_THAT(cancelled_, IsEmpty());
  advance(100ms);
  const auto beats = taken<jobs::WorkerHeartbeat>();
  EXPECT_EQ(beats.at(0).state, jobs::WorkerState::kDraining);
  EXPECT_EQ(beats.at(0).free_slots, 0);
  end(attempt);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), IsEmpty());
  ASSERT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  coordinator_says(jobs::OkReply{}, last_request_);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

class DrainingSessionTest : public SessionTest {
 protected:
  DrainingSessionTest()
      : SessionTest([] {
          SessionOptions options;
          options.drain_on_stop = 60s;
          return options;
        }()) {}

  void ask_to_stop() {
    session_.on_stop_request(clock_.now());
    take();
  }
  void begin(const TaskAttempt& attempt) {
    session_.on_progress({attempt.task, attempt.attempt, "denoise", 1, 4}, clock_.now());
    take();
  }
};

TEST_F(DrainingSessionTest, ARequestToStopFinishesWhatRunsAndHandsBackWhatHasNotBegun) {
  ready();
  const auto runs = grant();
  begin(runs);
  const auto queued = grant();
  ask_to_stop();
  EXPECT_THAT(cancelled_, ElementsAre(queued));
  const auto handed_back = taken<jobs::TaskFailed>();
  ASSERT_THAT(handed_back, SizeIs(1));
  EXPECT_EQ(handed_back.at(0).attempt, queued);
  EXPECT_TRUE(handed_back.at(0).released);
  coordinator_says(jobs::OkReply{}, last_request_);
  end(queued, {StatusCode::kCancelled, "cancelled"});
  EXPECT_EQ(session_.state(), jobs::WorkerState::kDraining);
  advance(59s);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), IsEmpty());
  end(runs);
  ASSERT_THAT(taken<jobs::TaskCompleted>(), SizeIs(1));
  coordinator_says(jobs::OkReply{}, last_request_);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

TEST_F(DrainingSessionTest, WhatRunsForTooLongIsHandedBack) {
  ready();
  const auto runs = grant();
  begin(runs);
  ask_to_stop();
  EXPECT_LE(session_.next_due(), clock_.now() + 60s);
  advance(60s);
  EXPECT_THAT(cancelled_, ElementsAre(runs));
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

TEST_F(DrainingSessionTest, ASecondRequestHandsEverythingBack) {
  ready();
  const auto runs = grant();
  begin(runs);
  ask_to_stop();
  ask_to_stop();
  EXPECT_THAT(cancelled_, ElementsAre(runs));
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

TEST_F(DrainingSessionTest, AWorkerThatHoldsNothingOrStillLoadsLeavesAtOnce) {
  ask_to_stop();
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

TEST_F(SessionTest, IsConnectedFromTheFirstAnswerUntilTheCoordinatorIsSilent) {
  EXPECT_FALSE(session_.is_connected());
  ready();
  EXPECT_TRUE(session_.is_connected());
  advance(10s);
  EXPECT_FALSE(session_.is_connected());
  welcome();
  EXPECT_TRUE(session_.is_connected());
}

TEST_F(SessionTest, ACoordinatorOfAnotherVersionEndsTheSessionWithItsReason) {
  coordinator_says(
      jobs::ErrorReply{Status(StatusCode::kUnsupported, "the peer speaks protocol 1.0")},
      (taken<jobs::WorkerHello>(), last_request_));
  EXPECT_EQ(refusal_.code(), StatusCode::kUnsupported);
  advance(2s);
  EXPECT_TRUE(left_);
}

TEST_F(SessionTest, MessagesThatMakeNoSenseChangeNothing) {
  ready();
  session_.on_message("garbage", clock_.now());
  coordinator_says(jobs::WorkerGoodbye{});
  session_.on_message(wire::seal(jobs::OkReply{}, {}), clock_.now());
  take();
  EXPECT_FALSE(left_);
  EXPECT_THAT(started_, IsEmpty());
}

class IdleSessionTest : public SessionTest {
 protected:
  IdleSessionTest() : SessionTest({.leave_when_idle = Duration(30s)}) {}
};

TEST_F(IdleSessionTest, AWorkerThatMayLeaveWhenIdleLeavesOnlyThen) {
  for (int i = 0; i < 40; ++i) advance(1s);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), IsEmpty()) << "it still loads";
  ready();
  const auto attempt = grant();
  for (int i = 0; i < 40; ++i) advance(1s);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), IsEmpty());
  end(attempt);
  taken<jobs::TaskCompleted>();
  coordinator_says(jobs::OkReply{}, last_request_);
  advance(29s);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), IsEmpty());
  advance(1s);
  EXPECT_THAT(taken<jobs::WorkerGoodbye>(), SizeIs(1));
}

}  // namespace
}  // namespace mimicfleet::agent
