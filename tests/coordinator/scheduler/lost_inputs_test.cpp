#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/scheduler/eligibility.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Workers of which some cannot fetch latents from others.
class LostInputs : public testing::Test {
 protected:
  // On a host of its own.
  jobs::WorkerHello hello(const std::string& name, const std::string& endpoint) const {
    auto hello = fleet_.hello(name);
    hello.host = name + ".example";
    hello.data_endpoint = endpoint;
    return hello;
  }
  WorkerId join(const jobs::WorkerHello& hello) {
    fleet_.input(hello);
    fleet_.beat(hello.worker);
    return hello.worker;
  }
  // `worker` encodes the one clip of a new job and gets nothing more for now.
  TaskAttempt encode_by(WorkerId worker) {
    job_ = fleet_.submit(1);
    fleet_.beat(worker);
    const auto encode = fleet_.lease(worker);
    fleet_.state.workers.at(worker).slots = 0;
    fleet_.complete(worker, encode);
    return encode;
  }
  const Task& encode() const { return fleet_.task(fleet_.job(job_).tasks[0]); }
  const Task& decode() const { return fleet_.task(fleet_.job(job_).tasks[1]); }
  bool held_by(WorkerId worker) const {
    const auto replicas = fleet_.state.replicas.find(encode().result.latents->content);
    return replicas != fleet_.state.replicas.end() && replicas->second.contains(worker);
  }

  Fleet fleet_;
  JobId job_;
};

TEST_F(LostInputs, OneWorkerThatCannotFetchLeavesTheReplicaToTheOthers) {
  const WorkerId replica = fleet_.join("holder");
  encode_by(replica);
  const WorkerId cut_off = fleet_.join("cut off");
  fleet_.lose_inputs(cut_off, fleet_.lease(cut_off));
  EXPECT_TRUE(held_by(replica));
  for (int i = 0; i < 20; ++i) {
    fleet_.pass(seconds(1));
    fleet_.beat(cut_off);
    fleet_.state.workers.at(replica).last_heard = fleet_.clock.now();
  }
  EXPECT_THAT(fleet_.leases(cut_off), IsEmpty()) << "it is not asked again while another can";
  EXPECT_THAT(explain(fleet_.state, decode(), fleet_.clock.now()),
              HasSubstr("cut off: it cannot fetch"));
  fleet_.beat(replica);
  fleet_.complete(replica, fleet_.lease(replica));
  EXPECT_TRUE(fleet_.job(job_).ended);
  EXPECT_EQ(encode().attempt, 1U) << "made once";
  EXPECT_EQ(decode().failures, 0U);
}

TEST_F(LostInputs, AfterOneThatCouldNotTheHolderGoesBeforeOthersThatMayNotEither) {
  const WorkerId replica = fleet_.join("holder");
  encode_by(replica);
  const WorkerId first = fleet_.join("first");
  fleet_.lose_inputs(first, fleet_.lease(first));
  const WorkerId second = fleet_.join("second");
  fleet_.pass(seconds(5));
  fleet_.beat(second);
  EXPECT_THAT(fleet_.leases(second), IsEmpty());
  fleet_.beat(replica);
  EXPECT_EQ(fleet_.lease(replica).task, decode().spec.id);
}

TEST_F(LostInputs, AHolderThatDoesNotHaveThemHoldsThemNoMore) {
  const WorkerId replica = fleet_.join("holder");
  encode_by(replica);
  fleet_.beat(replica);
  fleet_.lose_inputs(replica, fleet_.lease(replica));
  EXPECT_FALSE(held_by(replica));
  EXPECT_EQ(encode().state, TaskState::kRunning) << "made again";
}

TEST_F(LostInputs, WhenNobodyCanHaveThemTheyAreMadeAgainBoundedly) {
  auto encoder = fleet_.hello("encoder");
  encoder.kinds = {TaskKind::kEncodeLatents};
  auto decoder = fleet_.hello("decoder");
  decoder.kinds = {TaskKind::kDecodeVideo};
  job_ = fleet_.submit(1);
  join(encoder);
  join(decoder);
  for (int i = 0; i < 200 && !fleet_.job(job_).ended; ++i) {
    if (!fleet_.leases(encoder.worker).empty())
      fleet_.complete(encoder.worker, fleet_.lease(encoder.worker));
    if (!fleet_.leases(decoder.worker).empty())
      fleet_.lose_inputs(decoder.worker, fleet_.lease(decoder.worker));
    fleet_.pass(seconds(1));
    fleet_.beat(encoder.worker);
    fleet_.beat(decoder.worker);
  }
  EXPECT_TRUE(fleet_.job(job_).ended);
  EXPECT_LE(decode().attempt, 12U);
  EXPECT_EQ(encode().attempt, 4U);
  EXPECT_THAT(decode().error.message(),
              HasSubstr("lost again and again; the last time: no worker could deliver latents"));
  EXPECT_EQ(fleet_.count_events("task_failed"), 1U) << "the log names it";
}

TEST_F(LostInputs, TheSameReportAgainAndAgainCostsFailuresAndTime) {
  const WorkerId worker = fleet_.join("w");
  encode_by(worker);
  fleet_.beat(worker);
  int reports = 0;
  for (int i = 0; i < 1000; ++i) {
    if (!fleet_.leases(worker).empty() && fleet_.lease(worker).task == decode().spec.id) {
      jobs::TaskFailed failed;
      failed.worker = worker;
      failed.attempt = fleet_.lease(worker);
      failed.status = Status(StatusCode::kUnavailable, "not here");
      failed.lost_inputs = {sha256("what it was never given")};
      fleet_.input(failed);
      ++reports;
      EXPECT_THAT(fleet_.leases(worker), IsEmpty()) << "not at once";
    }
    fleet_.pass(seconds(1));
    fleet_.beat(worker);
  }
  EXPECT_EQ(reports, 3);
  EXPECT_EQ(decode().state, TaskState::kFailed);
}

TEST_F(LostInputs, ReportsOfManyWorkersAreBoundedAndCostTime) {
  const WorkerId replica = fleet_.join("holder");
  encode_by(replica);
  int reports = 0;
  for (int i = 0; i < 300 && !fleet_.job(job_).ended; ++i) {
    const WorkerId worker = fleet_.join("w" + std::to_string(i));
    // It holds them and does nothing.
    fleet_.state.workers.at(replica).state = jobs::WorkerState::kDraining;
    fleet_.state.workers.at(replica).last_heard = fleet_.clock.now();
    fleet_.beat(worker);
    if (!fleet_.leases(worker).empty()) {
      if (fleet_.kind(fleet_.lease(worker)) == TaskKind::kDecodeVideo) {
        fleet_.lose_inputs(worker, fleet_.lease(worker));
        ++reports;
      } else {
        fleet_.complete(worker, fleet_.lease(worker));
      }
    }
    fleet_.input(jobs::WorkerGoodbye{worker});
    fleet_.pass(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(fleet_.job(job_).ended);
  EXPECT_LE(reports, 16);
  EXPECT_THAT(decode().error.message(), HasSubstr("lost again and again"));
}

TEST_F(LostInputs, ALoopbackDataPortIsForWorkersOfItsHostOnly) {
  const auto replica = hello("holder", "tcp://127.0.0.1:4001");
  join(replica);
  encode_by(replica.worker);
  const auto stranger = hello("stranger", "tcp://127.0.0.1:4002");
  join(stranger);
  EXPECT_THAT(fleet_.leases(stranger.worker), IsEmpty());
  auto neighbour = hello("neighbour", "tcp://127.0.0.1:4003");
  neighbour.host = replica.host;
  join(neighbour);
  EXPECT_EQ(fleet_.lease(neighbour.worker).task, decode().spec.id);
  EXPECT_THAT(fleet_.grants.back().lease.inputs.at(0).replicas,
              ElementsAre("tcp://127.0.0.1:4001"));
}

TEST_F(LostInputs, ReplicasThatAStrangerCannotReachAreNotToldToIt) {
  const auto local = hello("local", "tcp://127.0.0.1:4001");
  join(local);
  encode_by(local.worker);
  auto open = hello("open", "tcp://open.example:4002");
  open.artefacts = {*encode().result.latents};
  join(open);
  fleet_.state.workers.at(open.worker).slots = 0;
  fleet_.fail(open.worker, fleet_.lease(open.worker),
              Status(StatusCode::kInternal, "a passing fault"));
  fleet_.pass(seconds(3));
  const auto stranger = hello("stranger", "tcp://stranger.example:4003");
  join(stranger);
  ASSERT_EQ(fleet_.lease(stranger.worker).task, decode().spec.id);
  EXPECT_THAT(fleet_.grants.back().lease.inputs.at(0).replicas,
              ElementsAre("tcp://open.example:4002"));
}

TEST_F(LostInputs, TwoHostsWithoutAdvertiseEachDecodeTheirOwn) {
  job_ = fleet_.submit(6);
  const auto a = hello("a", "tcp://127.0.0.1:4001");
  const auto b = hello("b", "tcp://127.0.0.1:4001");
  join(a);
  join(b);
  for (int i = 0; i < 100 && !fleet_.job(job_).ended; ++i) {
    const WorkerId worker = i % 3 == 0 ? a.worker : b.worker;
    if (!fleet_.leases(worker).empty()) fleet_.complete(worker, fleet_.lease(worker));
    fleet_.pass(std::chrono::milliseconds(100));
    fleet_.beat(a.worker);
    fleet_.beat(b.worker);
  }
  EXPECT_TRUE(fleet_.job(job_).ended);
  EXPECT_EQ(fleet_.job(job_).counts.done, 12U);
  EXPECT_EQ(fleet_.count_events("task_leased"), 12U) << "nothing twice";
  for (const auto& grant : fleet_.grants) {
    for (const auto& input : grant.lease.inputs) {
      EXPECT_EQ(fleet_.task(grant.lease.spec.needs.at(0)).worker, grant.worker)
          << input.replicas.size();
    }
  }
}

TEST_F(LostInputs, WhatNobodyElseReachesIsMadeAgainWhenItsHolderTakesNoMore) {
  const auto replica = hello("holder", "tcp://127.0.0.1:4001");
  join(replica);
  encode_by(replica.worker);
  fleet_.input(StopWorker{replica.worker, /*drain=*/true});
  const auto other = hello("other", "tcp://127.0.0.1:4002");
  join(other);
  EXPECT_EQ(fleet_.lease(other.worker).task, encode().spec.id);
}

TEST_F(LostInputs, HostsThatCannotReachEachOtherAtAllFailWithTheRemedy) {
  auto encoder = hello("encoder", "tcp://127.0.0.1:4001");
  encoder.kinds = {TaskKind::kEncodeLatents};
  auto decoder = hello("decoder", "tcp://127.0.0.1:4002");
  decoder.kinds = {TaskKind::kDecodeVideo};
  job_ = fleet_.submit(1);
  join(encoder);
  join(decoder);
  fleet_.complete(encoder.worker, fleet_.lease(encoder.worker));
  const std::string remedy =
      "decoder on decoder.example does not reach tcp://127.0.0.1:4001 of encoder on "
      "encoder.example: start "
      "that worker with --advertise and its host's name";
  EXPECT_THAT(explain(fleet_.state, decode(), fleet_.clock.now()),
              "no worker can have its latents: " + remedy + "; waiting 60 s for another worker");
  EXPECT_EQ(lacks_latents(fleet_.state, fleet_.state.workers.at(decoder.worker), decode()), remedy);
  int passed = 0;
  for (; passed < 100 && !fleet_.job(job_).ended; ++passed) {
    fleet_.pass(seconds(1));
    fleet_.beat(encoder.worker);
    fleet_.beat(decoder.worker);
  }
  EXPECT_EQ(passed, 60);
  EXPECT_EQ(encode().attempt, 1U) << "made again there it would be as far away";
  EXPECT_EQ(decode().error.message(), remedy);
  EXPECT_EQ(fleet_.count_events("inputs_lost"), 1U);
  EXPECT_EQ(fleet_.count_events("task_failed"), 1U);
}

TEST_F(LostInputs, WhatADecoderCannotReachIsMadeAgainByAnEncoderThatItReaches) {
  auto local = hello("local", "tcp://127.0.0.1:4001");
  local.kinds = {TaskKind::kEncodeLatents};
  join(local);
  encode_by(local.worker);
  auto decoder = hello("decoder", "tcp://decoder.example:4002");
  decoder.kinds = {TaskKind::kDecodeVideo};
  join(decoder);
  ASSERT_EQ(encode().state, TaskState::kDone) << "nobody else could make it";
  auto open = hello("open", "tcp://open.example:4003");
  open.kinds = {TaskKind::kEncodeLatents};
  fleet_.input(open);
  fleet_.beat(decoder.worker);
  fleet_.beat(local.worker);
  EXPECT_THAT(fleet_.leases(local.worker), IsEmpty());
  fleet_.beat(open.worker);
  ASSERT_EQ(fleet_.lease(open.worker).task, encode().spec.id);
  fleet_.complete(open.worker, fleet_.lease(open.worker));
  ASSERT_EQ(fleet_.lease(decoder.worker).task, decode().spec.id);
  EXPECT_THAT(fleet_.grants.back().lease.inputs.at(0).replicas,
              ElementsAre("tcp://open.example:4003"));
}

// Neither waits for the other: the one in reach has just failed.
TEST_F(LostInputs, WhatFailedOnTheOnlyOneInReachIsMadeByAnother) {
  auto in_reach = hello("in reach", "tcp://reach.example:4001");
  in_reach.kinds = {TaskKind::kEncodeLatents};
  auto local = hello("local", "tcp://127.0.0.1:4002");
  local.kinds = {TaskKind::kEncodeLatents};
  auto decoder = hello("decoder", "tcp://decoder.example:4003");
  decoder.kinds = {TaskKind::kDecodeVideo};
  job_ = fleet_.submit(1);
  for (const auto* worker : {&decoder, &in_reach, &local}) join(*worker);
  fleet_.fail(in_reach.worker, fleet_.lease(in_reach.worker),
              Status(StatusCode::kInternal, "a passing fault"));
  for (int i = 0; i < 60 && fleet_.leases(local.worker).empty(); ++i) {
    fleet_.pass(seconds(1));
    for (const auto* worker : {&decoder, &local, &in_reach}) fleet_.beat(worker->worker);
  }
  EXPECT_EQ(fleet_.lease(local.worker).task, encode().spec.id);
}

TEST_F(LostInputs, AnEncoderThatIsStartedWithAdvertiseIsFetchedFromWithoutMakingAnythingAgain) {
  auto encoder = hello("encoder", "tcp://127.0.0.1:4001");
  encoder.kinds = {TaskKind::kEncodeLatents};
  join(encoder);
  encode_by(encoder.worker);
  auto decoder = hello("decoder", "tcp://decoder.example:4002");
  decoder.kinds = {TaskKind::kDecodeVideo};
  join(decoder);
  ASSERT_THAT(fleet_.leases(decoder.worker), IsEmpty());
  encoder.data_endpoint = "tcp://encoder.example:4001";
  encoder.artefacts = {*encode().result.latents};
  fleet_.input(encoder);
  fleet_.beat(decoder.worker);
  ASSERT_EQ(fleet_.lease(decoder.worker).task, decode().spec.id);
  EXPECT_EQ(encode().attempt, 1U);
  EXPECT_THAT(fleet_.state.refused, IsEmpty());
}

TEST_F(LostInputs, APauseAfterThemIsExplainedByThem) {
  const WorkerId replica = fleet_.join("holder");
  encode_by(replica);
  const WorkerId cut_off = fleet_.join("cut off");
  fleet_.lose_inputs(cut_off, fleet_.lease(cut_off));
  EXPECT_EQ(explain(fleet_.state, decode(), fleet_.clock.now()),
            "starts again in 1 s, after latents that could not be fetched, time 1 of 3: no worker "
            "could deliver "
            "latents");
}

TEST_F(LostInputs, WhatCouldNotBeFetchedFromOneIsMadeAgainByAnother) {
  auto first = fleet_.hello("first");
  first.kinds = {TaskKind::kEncodeLatents};
  join(first);
  encode_by(first.worker);
  auto second = fleet_.hello("second");
  second.kinds = {TaskKind::kEncodeLatents};
  join(second);
  auto decoder = fleet_.hello("decoder");
  decoder.kinds = {TaskKind::kDecodeVideo};
  join(decoder);
  fleet_.beat(first.worker);
  fleet_.lose_inputs(decoder.worker, fleet_.lease(decoder.worker));
  EXPECT_THAT(fleet_.leases(first.worker), IsEmpty());
  EXPECT_EQ(fleet_.lease(second.worker).task, encode().spec.id);
}

TEST_F(LostInputs, LatentsToReuseThatAWorkerDoesNotReachAreNotOffered) {
  const auto submit = [&] {
    jobs::JobPlan plan;
    plan.models = fleet_.models();
    auto& clip = plan.clips.emplace_back();
    clip.output.relative = "word";
    clip.output.save_video = false;
    clip.cache_latents = jobs::CachedLatentsTarget{"/out", "_latents/word", "n"};
    clip.reuse_latents = true;
    return fleet_.submit(plan);
  };
  const auto replica = hello("holder", "tcp://127.0.0.1:4001");
  join(replica);
  job_ = submit();
  jobs::TaskResult result;
  result.latents.emplace().numerics = replica.numerics;
  fleet_.complete(replica.worker, fleet_.lease(replica.worker), result);
  fleet_.state.workers.at(replica.worker).slots = 0;
  submit();
  const auto stranger = hello("stranger", "tcp://stranger.example:4002");
  join(stranger);
  ASSERT_EQ(fleet_.kind(fleet_.lease(stranger.worker)), TaskKind::kEncodeLatents);
  EXPECT_THAT(fleet_.grants.back().lease.inputs, IsEmpty());
}

}  // namespace
}  // namespace mimicfleet::coordinator
