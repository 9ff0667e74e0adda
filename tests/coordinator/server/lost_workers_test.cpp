#include "coordinator/server/lost_workers.h"

#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class LostWorkersTest : public testing::Test {
 protected:
  jobs::WorkerHello hello(const std::string& name, const std::string& host,
                          const std::string& device) {
    auto hello = fleet_.hello(name);
    hello.host = host;
    hello.device = device;
    return hello;
  }
  WorkerId come(const std::string& name, const std::string& host, const std::string& device) {
    const auto greeting = hello(name, host, device);
    fleet_.input(greeting);
    look();
    return greeting.worker;
  }
  void look() {
    for (const auto& loss : std::exchange(fleet_.tally.losses, {}))
      lost_.add(loss, fleet_.clock.now());
    lost_.look(fleet_.state, fleet_.clock.now());
  }
  // Until those are lost that are silent from now on.
  void fall_silent(const std::vector<WorkerId>& but = {}) {
    for (int i = 0; i < 12; ++i) {
      fleet_.pass(seconds(1));
      for (const WorkerId& id : but) fleet_.beat(id);
    }
    look();
  }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& lost : lost_.all()) names.push_back(lost.worker.name);
    return names;
  }
  using Names = std::vector<std::string>;

  Fleet fleet_;
  LostWorkers lost_;
};

TEST_F(LostWorkersTest, OneThatSaysGoodbyeIsNotLost) {
  fleet_.input(jobs::WorkerGoodbye{come("a", "h", "cpu")});
  fall_silent();
  EXPECT_EQ(names(), Names());
}

TEST_F(LostWorkersTest, OneThatWasAboutToLeaveIsNotLost) {
  fleet_.input(StopWorker{come("a", "h", "cpu"), true});
  fall_silent();
  EXPECT_EQ(names(), Names());
}

TEST_F(LostWorkersTest, EachThatComesTakesThePlaceOfOne) {
  come("h-cpu-1", "h", "cpu");
  come("h-cpu-2", "h", "cpu");
  fall_silent();
  const WorkerId next = come("h-cpu-3", "h", "cpu");
  EXPECT_EQ(names().size(), 1U);
  fall_silent({next});
  EXPECT_EQ(names().size(), 1U);
  come("h-cpu-4", "h", "cpu");
  EXPECT_EQ(names(), Names());
}

TEST_F(LostWorkersTest, OneOfAnotherHostOrDeviceIsNoSuccessor) {
  come("h-cuda:0-1", "h", "cuda:0");
  fall_silent();
  come("h-cuda:1-2", "h", "cuda:1");
  come("g-cuda:0-3", "g", "cuda:0");
  EXPECT_EQ(names(), Names{"h-cuda:0-1"});
}

TEST_F(LostWorkersTest, OneOfTheSameNameIsASuccessorOnAnyDevice) {
  come("render", "h", "cuda:0");
  fall_silent();
  come("render", "h", "auto");
  EXPECT_EQ(names(), Names());
}

TEST_F(LostWorkersTest, TheSuccessorMayComeBeforeTheLossIsKnown) {
  come("h-cpu-1", "h", "cpu");
  fleet_.pass(seconds(5));
  const WorkerId next = come("h-cpu-2", "h", "cpu");
  fall_silent({next});
  EXPECT_EQ(names(), Names());
}

TEST_F(LostWorkersTest, OneThatWasCutOffComesBackItself) {
  const auto greeting = hello("a", "h", "cpu");
  for (int i = 0; i < 2; ++i) {
    fleet_.input(greeting);
    look();
    EXPECT_EQ(names(), Names());
    fall_silent();
    EXPECT_EQ(names(), Names{"a"});
  }
}

TEST_F(LostWorkersTest, ThoseThatNobodyExpectsAnyMoreAreForgotten) {
  auto of_slurm = hello("s", "h", "cuda:0");
  of_slurm.slurm_job_id = "4711";
  fleet_.input(of_slurm);
  come("a", "h", "cpu");
  fall_silent();
  fleet_.clock.advance(minutes(59));
  look();
  EXPECT_EQ(names().size(), 2U);
  fleet_.clock.advance(minutes(2));
  look();
  EXPECT_EQ(names(), Names{"a"});
  fleet_.clock.advance(hours(23));
  look();
  EXPECT_EQ(names(), Names());
}

}  // namespace
}  // namespace mimicfleet::coordinator
