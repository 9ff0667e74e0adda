#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/scheduler/placement.h"
#include "tests/coordinator/scheduler/affinity_simulation.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

class AffinityTest : public testing::Test {
 protected:
  // The encode of the job's clip at this position.
  TaskId encode(JobId job, std::size_t position) const {
    return fleet_.job(job).tasks.at(2 * position);
  }
  // A worker that has the key points of one clip, which cost so many seconds to make.
  WorkerId holder_of(const TaskId& task, double made_seconds, const std::string& name = "holder") {
    auto hello = fleet_.hello(name);
    hello.features = {{fleet_.keypoints_of(task), made_seconds}};
    fleet_.input(hello);
    return hello.worker;
  }
  bool leased(const TaskId& task) const {
    return fleet_.state.tasks.at(task).state == TaskState::kRunning;
  }
  std::string why(const TaskId& task) const {
    return explain(fleet_.state, fleet_.state.tasks.at(task), fleet_.clock.now());
  }
  // Lets time pass while the workers stay in touch.
  void pass(Duration time, const std::vector<WorkerId>& free,
            const std::vector<WorkerId>& busy = {}) {
    for (Duration passed{}; passed < time; passed += std::chrono::milliseconds(500)) {
      fleet_.pass(std::chrono::milliseconds(500));
      for (const auto& worker : busy) fleet_.beat(worker, 0);
      for (const auto& worker : free) fleet_.beat(worker, 1);
    }
  }
  Fleet fleet_;
};

TEST_F(AffinityTest, AnEncodeGoesToTheWorkerThatHasItsFeaturesAndOthersTakeWhatNobodyHas) {
  const JobId job = fleet_.submit(3);
  const WorkerId holder = holder_of(encode(job, 2), 10);
  const WorkerId other = fleet_.join("other");
  EXPECT_EQ(fleet_.lease(other).task, encode(job, 0));
  fleet_.beat(holder);
  EXPECT_EQ(fleet_.lease(holder).task, encode(job, 2));
}

TEST_F(AffinityTest, WhatAWorkerHoldsIsFoundFarBehindInTheQueue) {
  const JobId job = fleet_.submit(2000);
  const WorkerId holder = holder_of(encode(job, 1900), 10);
  fleet_.beat(holder);
  EXPECT_EQ(fleet_.lease(holder).task, encode(job, 1900));
}

TEST_F(AffinityTest, AnotherWorkerStealsAfterADelayThatGrowsWithTheCostOfAMiss) {
  for (const int cost : {2, 8}) {
    fleet_ = Fleet();
    const JobId job = fleet_.submit(1);
    const WorkerId holder = holder_of(encode(job, 0), cost);
    fleet_.beat(holder, 0);  // busy
    const WorkerId thief = fleet_.join("thief");
    pass(seconds(cost - 1), {thief}, {holder});
    EXPECT_FALSE(leased(encode(job, 0))) << cost;
    pass(seconds(2), {thief}, {holder});
    ASSERT_TRUE(leased(encode(job, 0))) << cost;
    EXPECT_EQ(fleet_.lease(thief).task, encode(job, 0));
  }
}

TEST_F(AffinityTest, TheDelayIsBounded) {
  fleet_.state.config.affinity_at_most = seconds(4);
  const JobId job = fleet_.submit(1);
  const WorkerId holder = holder_of(encode(job, 0), 1e6);
  fleet_.beat(holder, 0);
  const WorkerId thief = fleet_.join("thief");
  pass(seconds(5), {thief}, {holder});
  EXPECT_TRUE(leased(encode(job, 0)));
}

TEST_F(AffinityTest, NobodyWaitsForAWorkerThatLeftOrTakesNoMore) {
  const JobId job = fleet_.submit(2);
  const WorkerId leaving = holder_of(encode(job, 0), 100, "leaving");
  const WorkerId draining = holder_of(encode(job, 1), 100, "draining");
  fleet_.beat(leaving, 0);
  fleet_.beat(draining, 0);
  const WorkerId other = fleet_.join("other");
  EXPECT_THAT(fleet_.leases(other), IsEmpty());
  fleet_.input(StopWorker{draining, true});
  EXPECT_EQ(fleet_.lease(other).task, encode(job, 1));
  fleet_.complete(other, fleet_.lease(other));
  fleet_.input(jobs::WorkerGoodbye{leaving});
  fleet_.beat(other, 2);
  EXPECT_TRUE(leased(encode(job, 0)));
}

TEST_F(AffinityTest, WhereFeaturesAreIsLearntFromResults) {
  const JobId first = fleet_.submit(1);
  const WorkerId maker = fleet_.join("maker");
  const WorkerId other = fleet_.join("other", 0);
  jobs::TaskResult result;
  result.features = {{jobs::FeatureKind::kKeypoints, jobs::FeatureOutcome::kMiss,
                      fleet_.keypoints_of(encode(first, 0)), 5, true}};
  fleet_.complete(maker, fleet_.lease(maker), result);
  EXPECT_EQ(fleet_.state.affinity.holders(fleet_.keypoints_of(encode(first, 0))).count(maker), 1U);
  fleet_.beat(maker, 0);
  const JobId again = fleet_.submit(1);
  EXPECT_EQ(best_place(fleet_.state, fleet_.state.tasks.at(encode(again, 0))).worker, maker);
  fleet_.beat(other);  // takes the decode of the first job
  fleet_.beat(other, 2);
  EXPECT_FALSE(leased(encode(again, 0)));
  pass(seconds(7), {}, {maker});
  fleet_.beat(other, 2);
  EXPECT_TRUE(leased(encode(again, 0)));
}

TEST_F(AffinityTest, AJobThatTakesNothingFromCachesWaitsForNobody) {
  const JobId known = fleet_.submit(1);
  const WorkerId holder = holder_of(encode(known, 0), 100);
  fleet_.beat(holder, 0);
  fleet_.input(CancelJob{known});
  const JobId job = fleet_.submit(1, 0, {true, true, true});
  EXPECT_TRUE(fleet_.state.tasks.at(encode(job, 0)).wants.empty());
  const WorkerId other = fleet_.join("other");
  EXPECT_EQ(fleet_.lease(other).task, encode(job, 0));
}

TEST_F(AffinityTest, LargeLatentsAreWaitedForInProportionToTheirSize) {
  fleet_.submit(1);
  const WorkerId encoder = fleet_.join("encoder");
  jobs::TaskResult result;
  result.latents.emplace();
  result.latents->size_bytes = 500'000'000;
  const auto attempt = fleet_.lease(encoder);
  fleet_.state.workers.at(encoder).slots = 0;
  fleet_.complete(encoder, attempt, result);
  const WorkerId other = fleet_.join("other");
  pass(seconds(4), {other}, {encoder});
  EXPECT_THAT(fleet_.leases(other), IsEmpty());
  pass(seconds(2), {other}, {encoder});
  EXPECT_EQ(fleet_.leases(other).size(), 1U);
}

TEST_F(AffinityTest, ExplainSaysForWhomATaskWaitsAndHowLong) {
  const JobId job = fleet_.submit(1);
  const WorkerId holder = holder_of(encode(job, 0), 8);
  fleet_.beat(holder, 0);
  fleet_.join("idle");
  EXPECT_THAT(why(encode(job, 0)),
              AllOf(HasSubstr("waits for holder, which has its features in the cache"),
                    HasSubstr("8.0 s longer"), HasSubstr("in 8.0 s others may")));
}

TEST_F(AffinityTest, WithoutAffinityTheFirstInOrderStarts) {
  fleet_.state.config.affinity = 0;
  const JobId job = fleet_.submit(3);
  const WorkerId holder = holder_of(encode(job, 2), 10);
  fleet_.beat(holder);
  EXPECT_EQ(fleet_.lease(holder).task, encode(job, 0));
}

TEST(AffinitySimulation, ASecondRunFindsItsFeaturesAndEndsSooner) {
  for (const std::size_t workers : {2, 4, 8}) {
    SCOPED_TRACE(workers);
    SimulationSetup setup;
    setup.workers = workers;
    setup.clips = 120;
    const SimulationResult with = simulate_second_run(setup);
    setup.affinity = 0;
    const SimulationResult without = simulate_second_run(setup);
    EXPECT_GT(with.hit_rate, 0.9);
    EXPECT_LT(without.hit_rate, 0.75);
    EXPECT_LT(with.makespan_seconds, without.makespan_seconds);
  }
}

TEST(AffinitySimulation, WorkersWithoutFeaturesDoNotStandIdle) {
  SimulationSetup setup;
  setup.workers = 4;
  setup.clips = 120;
  setup.joining = 4;
  const SimulationResult with = simulate_second_run(setup);
  setup.affinity = 0;
  const SimulationResult without = simulate_second_run(setup);
  EXPECT_LE(with.makespan_seconds, without.makespan_seconds * 1.02);
}

}  // namespace
}  // namespace mimicfleet::coordinator
