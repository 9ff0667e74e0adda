#include "coordinator/scheduler/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/abilities.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TaskKind kind_of(const Fleet& fleet, const TaskAttempt& attempt) {
  return fleet.state.tasks.at(attempt.task).spec.kind;
}

TEST(Placement, WorkIsDealtOutOneEachInTurn) {
  Fleet fleet;
  const WorkerId a = fleet.join("a", 2);
  const WorkerId b = fleet.join("b", 2);
  fleet.submit(2);
  EXPECT_EQ(fleet.leases(a).size(), 1U);
  EXPECT_EQ(fleet.leases(b).size(), 1U);
}

TEST(Placement, StartedClipsAreFinishedBeforeNewOnesStart) {
  Fleet fleet;
  fleet.submit(3);
  const WorkerId worker = fleet.join("w");
  fleet.complete(worker, fleet.lease(worker));
  fleet.beat(worker);
  EXPECT_EQ(kind_of(fleet, fleet.lease(worker)), TaskKind::kDecodeVideo);
}

TEST(Placement, ADecodeGoesToTheWorkerThatHoldsItsLatents) {
  Fleet fleet;
  fleet.submit(2);
  const WorkerId a = fleet.join("a");
  const WorkerId b = fleet.join("b");
  const auto of_a = fleet.lease(a);
  const auto of_b = fleet.lease(b);
  // Nobody is granted anything meanwhile.
  fleet.state.workers.at(a).slots = fleet.state.workers.at(b).slots = 0;
  fleet.complete(b, of_b);
  fleet.complete(a, of_a);
  fleet.beat(b);
  const auto decode = fleet.lease(b);
  EXPECT_EQ(fleet.state.tasks.at(decode.task).spec.needs.front(), of_b.task);
}

TEST(Placement, HigherPriorityStartsFirst) {
  Fleet fleet;
  fleet.submit(1, 0);
  const JobId urgent = fleet.submit(1, 5);
  const WorkerId worker = fleet.join("w");
  EXPECT_EQ(fleet.state.tasks.at(fleet.lease(worker).task).spec.job, urgent);
}

TEST(Placement, AWorkerWithoutTheModelsOrThePrecisionGetsNothingAndExplainSaysWhy) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  auto other_models = fleet.hello("other");
  other_models.model_sets[0].id = sha256("else");
  fleet.input(other_models);
  fleet.beat(other_models.worker);
  EXPECT_TRUE(fleet.leases(other_models.worker).empty());
  const Task& task = fleet.state.tasks.at(fleet.job(job).tasks[0]);
  EXPECT_THAT(explain(fleet.state, task, fleet.clock.now()),
              HasSubstr("other: it does not have the models"));
}

TEST(Placement, AnEncodeThatAsksForMoreThanAnOlderWorkerKnowsGoesToANewerOne) {
  Fleet fleet;
  jobs::JobPlan plan;
  plan.models = fleet.hello("").model_sets.at(0);
  plan.clips.resize(1);
  plan.clips[0].output.relative = "a";
  plan.clips[0].parameters.guidance_interval = {0.2, 0.8};
  const JobId job = fleet.submit(plan);
  const WorkerId older = fleet.join("older");
  fleet.beat(older);
  EXPECT_TRUE(fleet.leases(older).empty());
  const Task& task = fleet.state.tasks.at(fleet.job(job).tasks[0]);
  EXPECT_THAT(explain(fleet.state, task, fleet.clock.now()),
              HasSubstr("older: it cannot do --guidance-interval: its device, its precision or its "
                        "version is not "
                        "the right one"));
  auto newer = fleet.hello("newer");
  newer.abilities = jobs::known_abilities();
  fleet.input(newer);
  fleet.beat(newer.worker);
  const auto encode = fleet.lease(newer.worker);
  EXPECT_EQ(encode.task, task.spec.id);
  // Latents are latents: any worker decodes them.
  fleet.state.workers.at(newer.worker).slots = 0;
  fleet.complete(newer.worker, encode);
  fleet.beat(older);
  EXPECT_EQ(kind_of(fleet, fleet.lease(older)), TaskKind::kDecodeVideo);
}

TEST(Placement, AWorkerForEncodesOnlyGetsNoDecode) {
  Fleet fleet;
  fleet.submit(1);
  auto hello = fleet.hello("encoder");
  hello.kinds = {TaskKind::kEncodeLatents};
  fleet.input(hello);
  fleet.beat(hello.worker);
  fleet.complete(hello.worker, fleet.lease(hello.worker));
  fleet.beat(hello.worker);
  EXPECT_TRUE(fleet.leases(hello.worker).empty());
  const WorkerId decoder = fleet.join("decoder");
  EXPECT_EQ(kind_of(fleet, fleet.lease(decoder)), TaskKind::kDecodeVideo);
  EXPECT_EQ(fleet.grants.back().lease.inputs.at(0).replicas,
            std::vector<std::string>{"tcp://encoder"});
}

TEST(Placement, AFailedTaskGoesToAnotherWorkerIfThereIsOne) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId a = fleet.join("a");
  const auto first = fleet.lease(a);
  const WorkerId b = fleet.join("b");
  fleet.fail(a, first, Status(StatusCode::kInternal, "x"));
  fleet.pass(seconds(2));
  fleet.beat(a);
  EXPECT_TRUE(fleet.leases(a).empty());
  fleet.beat(b);
  EXPECT_EQ(fleet.lease(b).task, first.task);
}

TEST(Placement, LatentsThatNobodyHoldsAnyMoreAreMadeAgain) {
  Fleet fleet;
  const JobId job = fleet.submit(1);
  const WorkerId a = fleet.join("a");
  const auto encode = fleet.lease(a);
  fleet.state.workers.at(a).slots = 0;
  fleet.complete(a, encode);
  fleet.input(jobs::WorkerGoodbye{a});
  const WorkerId b = fleet.join("b");
  const auto again = fleet.lease(b);
  EXPECT_EQ(again.task, encode.task);
  EXPECT_EQ(again.attempt, encode.attempt + 1);
  fleet.complete(b, again);
  fleet.beat(b);
  fleet.complete(b, fleet.lease(b));
  EXPECT_TRUE(fleet.job(job).ended);
  EXPECT_EQ(fleet.job(job).counts.done, 2U);
}

TEST(Placement, LatentsThatNoHolderCouldDeliverAreMadeAgain) {
  Fleet fleet;
  fleet.submit(1);
  const WorkerId a = fleet.join("a");
  const auto encode = fleet.lease(a);
  fleet.complete(a, encode);
  fleet.beat(a);
  jobs::TaskFailed failed;
  failed.worker = a;
  failed.attempt = fleet.lease(a);
  failed.status = Status(StatusCode::kUnavailable, "nobody has them");
  failed.lost_inputs = {fleet.state.tasks.at(encode.task).result.latents->content};
  fleet.input(failed);
  fleet.beat(a);
  EXPECT_EQ(fleet.lease(a).task, encode.task);
  EXPECT_EQ(fleet.state.tasks.at(failed.attempt.task).failures, 0U);
}

}  // namespace
}  // namespace mimicfleet::coordinator
