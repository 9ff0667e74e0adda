#include <map>
#include <random>

#include <gtest/gtest.h>

#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::milliseconds;

// A fleet in which workers join, die, stall, fail, and finish late or twice, driven by a seed.
class Chaos {
 public:
  explicit Chaos(std::uint32_t seed) : random_(seed) { fleet_.state.config.max_attempts = 1000; }

  void run(std::size_t clips) {
    job_ = fleet_.submit(clips);
    for (int step = 0; step < 20000 && !fleet_.job(job_).ended; ++step) {
      fleet_.pass(milliseconds(random_() % 900));
      if (workers_.size() < 4 && chance(20))
        workers_.push_back(fleet_.join("w" + std::to_string(step), 1 + random_() % 2));
      if (!workers_.empty()) act(workers_[random_() % workers_.size()]);
    }
  }

  [[nodiscard]] const Fleet& fleet() const { return fleet_; }
  [[nodiscard]] bool ended() const { return fleet_.job(job_).ended; }

 private:
  bool chance(unsigned percent) { return random_() % 100 < percent; }

  void act(WorkerId worker) {
    const auto leases = fleet_.leases(worker);
    if (chance(3)) {
      std::erase(workers_, worker);  // dies silently
    } else if (chance(2)) {
      fleet_.input(jobs::WorkerGoodbye{worker});
      std::erase(workers_, worker);
    } else if (!leases.empty() && chance(25)) {
      fleet_.complete(worker, leases.front());
      finished_.emplace_back(worker, leases.front());
    } else if (!leases.empty() && chance(6)) {
      fleet_.fail(worker, leases.front(), Status(StatusCode::kInternal, "chaos"));
    } else if (!finished_.empty() && chance(10)) {
      const auto& [who, attempt] = finished_[random_() % finished_.size()];
      fleet_.complete(who, attempt);  // an answer got lost, or a zombie
    } else {
      fleet_.beat(worker, 2, static_cast<std::int32_t>(random_() % 25));
    }
  }

  Fleet fleet_;
  std::mt19937 random_;
  JobId job_;
  std::vector<WorkerId> workers_;
  std::vector<std::pair<WorkerId, TaskAttempt>> finished_;
};

// Every accepted task ends in one state, every commit is of the newest attempt, and none is committed twice
// unless its latents were lost in between.
void check_log(const Fleet& fleet) {
  std::map<std::string, std::uint32_t> newest;
  std::map<std::string, int> commits;
  std::map<std::string, int> requeued;
  for (const auto& event : fleet.events) {
    if (event.kind == "task_leased") {
      EXPECT_EQ(event.attempt, newest[event.task] + 1) << "attempts grow by one";
      newest[event.task] = event.attempt;
    }
    if (event.kind == "task_requeued" && event.detail.find("latents") != std::string::npos)
      ++requeued[event.task];
    if (event.kind == "task_committed") {
      EXPECT_EQ(event.attempt, newest[event.task]) << "only the newest attempt commits";
      ++commits[event.task];
    }
  }
  for (const auto& [task, times] : commits) EXPECT_EQ(times, 1 + requeued[task]) << task;
}

TEST(Simulation, UnderChaosEveryTaskIsCommittedByItsNewestAttemptAndTheJobEnds) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed);
    chaos.run(12);
    ASSERT_TRUE(chaos.ended());
    EXPECT_EQ(chaos.fleet().state.jobs.begin()->second.counts.done, 24U);
    EXPECT_TRUE(chaos.fleet().state.ready.empty());
    EXPECT_TRUE(chaos.fleet().state.running.empty());
    check_log(chaos.fleet());
  }
}

}  // namespace
}  // namespace mimicfleet::coordinator
