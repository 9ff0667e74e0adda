#include <map>
#include <random>

#include <gtest/gtest.h>

#include "coordinator/scheduler/transitions.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::milliseconds;

// What happens beside workers that join, die, stall, fail, and finish late or twice.
struct Troubles {
  bool concats = false;    // half of the clips are words of concatenated videos
  bool restarts = false;   // of the coordinator, also right after the job was stored
  bool cut_off = false;    // some cannot fetch from others, or lose what they hold
  bool bad_hosts = false;  // some workers' hosts can do nothing
  bool misfits = false;    // a job for which no worker is the right one
};

// A fleet that is driven by a seed.
class Chaos {
 public:
  Chaos(std::uint32_t seed, Troubles troubles) : troubles_(troubles), random_(seed) {
    fleet_.state.config.max_attempts = 1000;
  }

  void run(std::size_t clips) {
    if (troubles_.misfits) misfit_ = fleet_.submit(plan(3, jobs::Precision::kBf16));
    job_ = fleet_.submit(plan(clips, jobs::Precision::kAuto));
    if (troubles_.restarts && chance(50)) {
      for (auto& [id, task] : fleet_.state.tasks)
        task.state = TaskState::kWaiting;  // as it is stored first
      fleet_.restart();
    }
    for (int step = 0; step < 40000 && !fleet_.job(job_).ended; ++step) {
      fleet_.pass(milliseconds(random_() % 900));
      if (workers_.size() < 4 && chance(20)) join("w" + std::to_string(step));
      if (troubles_.restarts && chance(1)) restart();
      if (!workers_.empty()) act(std::next(workers_.begin(), random_() % workers_.size())->first);
    }
  }

  [[nodiscard]] const Fleet& fleet() const { return fleet_; }
  [[nodiscard]] const Job& job() const { return fleet_.job(job_); }
  [[nodiscard]] const Job& misfit() const { return fleet_.job(misfit_); }

 private:
  struct Member {
    jobs::WorkerHello hello;
    bool bad = false;
  };

  bool chance(unsigned percent) { return random_() % 100 < percent; }

  jobs::JobPlan plan(std::size_t clips, jobs::Precision precision) {
    jobs::JobPlan plan;
    plan.models = fleet_.models();
    for (std::size_t i = 0; i < clips; ++i) {
      auto& clip = plan.clips.emplace_back();
      clip.output.relative = "c" + std::to_string(i);
      clip.video.digest = sha256(clip.output.relative);
      clip.parameters.precision = precision;
      clip.output.save_video = !troubles_.concats || i % 2 == 0;
      if (clip.output.save_video) continue;
      clip.cache_latents =
          jobs::CachedLatentsTarget{"/out", "_latents/" + clip.output.relative, "n"};
      clip.reuse_latents = true;
    }
    for (std::size_t i = 1; troubles_.concats && i < clips; i += 2) {
      auto& concat = plan.concats.emplace_back();
      concat.output.relative = "f" + std::to_string(i);
      concat.parameters.precision = precision;
      for (std::size_t word = 1; word <= i; word += 2) {
        concat.parts.push_back({"c" + std::to_string(word), "c" + std::to_string(word), {}});
      }
    }
    return plan;
  }

  void join(const std::string& name) {
    Member member;
    member.hello = fleet_.hello(name);
    member.hello.host = chance(50) ? "h1" : "h2";
    member.hello.data_endpoint =
        troubles_.cut_off && chance(50) ? "tcp://127.0.0.1:1" : "tcp://" + name;
    member.bad = troubles_.bad_hosts && chance(30);
    fleet_.input(member.hello);
    fleet_.beat(member.hello.worker, 1 + random_() % 2);
    workers_[member.hello.worker] = member;
  }

  // Most workers come back with what they work on and hold, some never.
  void restart() {
    std::map<WorkerId, std::vector<TaskAttempt>> held;
    for (const auto& [id, member] : workers_) held[id] = fleet_.leases(id);
    fleet_.restart();
    for (auto member = workers_.begin(); member != workers_.end();) {
      if (chance(20)) {
        member = workers_.erase(member);
        continue;
      }
      jobs::WorkerHello hello = member->second.hello;
      for (const auto& attempt : held[member->first]) {
        hello.running.push_back({attempt.task, attempt.attempt, "denoise", 1, 25});
      }
      fleet_.input(hello);
      ++member;
    }
  }

  void finish(WorkerId worker, const TaskAttempt& attempt) {
    if (!fleet_.complete(worker, attempt).reply.ok()) return;
    const auto& latents = fleet_.task(attempt.task).result.latents;
    if (latents && workers_.contains(worker))
      workers_.at(worker).hello.artefacts.push_back(*latents);
    finished_.emplace_back(worker, attempt);
  }

  void work_on(WorkerId worker, const TaskAttempt& attempt) {
    const bool decodes = fleet_.kind(attempt) == TaskKind::kDecodeVideo;
    if (workers_.at(worker).bad) {
      fleet_.fail_on_host(worker, attempt);
    } else if (troubles_.cut_off && decodes && chance(15)) {
      fleet_.lose_inputs(worker, attempt);
    } else {
      finish(worker, attempt);
    }
  }

  void act(WorkerId worker) {
    const auto leases = fleet_.leases(worker);
    if (chance(3)) {
      workers_.erase(worker);  // dies silently
    } else if (chance(2)) {
      fleet_.input(jobs::WorkerGoodbye{worker});
      workers_.erase(worker);
    } else if (!leases.empty() && chance(25)) {
      work_on(worker, leases.front());
    } else if (!leases.empty() && chance(6)) {
      fleet_.fail(worker, leases.front(), Status(StatusCode::kInternal, "chaos"));
    } else if (!finished_.empty() && chance(10)) {
      const auto& [who, attempt] = finished_[random_() % finished_.size()];
      fleet_.complete(who, attempt);  // an answer got lost, or a zombie
    } else {
      fleet_.beat(worker, 2, static_cast<std::int32_t>(random_() % 25));
    }
  }

  const Troubles troubles_;
  Fleet fleet_;
  std::mt19937 random_;
  JobId job_;
  JobId misfit_;
  std::map<WorkerId, Member> workers_;
  std::vector<std::pair<WorkerId, TaskAttempt>> finished_;
};

// Every accepted task ends in one state, every commit is of the newest attempt, and none is
// committed twice unless its latents were lost in between.
void check_log(const Fleet& fleet) {
  std::map<std::string, std::uint32_t> newest;
  std::map<std::string, int> commits;
  std::map<std::string, int> requeued;
  for (const auto& event : fleet.events) {
    if (event.kind == "task_leased") {
      EXPECT_EQ(event.attempt, newest[event.task] + 1) << "attempts grow by one";
      newest[event.task] = event.attempt;
    }
    if (event.kind == "task_requeued" &&
        event.detail.find("latents are made again") != std::string::npos)
      ++requeued[event.task];
    if (event.kind == "task_committed") {
      EXPECT_EQ(event.attempt, newest[event.task]) << "only the newest attempt commits";
      ++commits[event.task];
    }
  }
  for (const auto& [id, task] : fleet.state.tasks) {
    // Else its latents were lost, and it failed then.
    const bool done = task.state == TaskState::kDone;
    if (commits.contains(to_string(id))) {
      EXPECT_EQ(commits[to_string(id)], requeued[to_string(id)] + (done ? 1 : 0)) << task.spec.name;
    }
  }
}

// The counts, the queue and the leases say the same as the tasks.
void check_state(const State& state) {
  std::map<JobId, jobs::TaskCounts> counts;
  std::map<TaskKind, jobs::TaskCounts> of_kinds;
  std::multiset<Instant> ready_since;
  for (const auto& [id, task] : state.tasks) {
    ++count(of_kinds[task.spec.kind], task.state);
    if (task.state == TaskState::kReady) ready_since.insert(task.ready_since);
    auto& of_job = counts[task.spec.job];
    of_job.waiting += task.state == TaskState::kWaiting ? 1 : 0;
    of_job.ready += task.state == TaskState::kReady ? 1 : 0;
    of_job.running += task.state == TaskState::kRunning ? 1 : 0;
    of_job.done += task.state == TaskState::kDone ? 1 : 0;
    of_job.failed += task.state == TaskState::kFailed ? 1 : 0;
    EXPECT_EQ(state.running.contains(id), task.state == TaskState::kRunning);
    EXPECT_TRUE(!state.refused.contains(id) || !jobs::is_terminal(task.state));
  }
  std::size_t ready = 0;
  for (const auto& [id, job] : state.jobs) {
    EXPECT_EQ(job.counts.done, counts[id].done);
    EXPECT_EQ(job.counts.failed, counts[id].failed);
    EXPECT_EQ(job.counts.ready, counts[id].ready);
    EXPECT_EQ(job.counts.total(), job.tasks.size());
    ready += counts[id].ready;
  }
  EXPECT_EQ(state.ready.size(), ready);
  EXPECT_EQ(state.ready_since, ready_since);
  for (const TaskKind kind : {TaskKind::kEncodeLatents, TaskKind::kDecodeVideo}) {
    const auto counted = state.counts.find(kind);
    ASSERT_NE(counted, state.counts.end());
    EXPECT_EQ(wire::encode_struct(counted->second), wire::encode_struct(of_kinds[kind]));
  }
  for (const auto& [id, worker] : state.workers) {
    for (const TaskId& lease : worker.leases) {
      EXPECT_EQ(state.tasks.at(lease).state, TaskState::kRunning);
      EXPECT_EQ(state.tasks.at(lease).worker, id);
    }
  }
}

void expect_all_done(Troubles troubles, std::uint32_t seeds) {
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed, troubles);
    chaos.run(12);
    ASSERT_TRUE(chaos.job().ended);
    EXPECT_EQ(chaos.job().counts.done, chaos.job().counts.total());
    EXPECT_TRUE(chaos.fleet().state.running.empty());
    EXPECT_EQ(chaos.fleet().state.ready.empty(), !troubles.misfits);
    check_log(chaos.fleet());
    check_state(chaos.fleet().state);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(Simulation, UnderChaosEveryTaskIsCommittedByItsNewestAttemptAndTheJobEnds) {
  expect_all_done({}, 300);
}

TEST(Simulation, ConcatenatedVideosToo) { expect_all_done({.concats = true}, 100); }

TEST(Simulation, AlsoWhenTheCoordinatorIsStartedAgain) {
  expect_all_done({.concats = true, .restarts = true}, 100);
}

TEST(Simulation, AlsoWhenWorkersCannotFetchFromOthers) {
  expect_all_done({.concats = true, .cut_off = true}, 100);
  expect_all_done({.concats = true, .restarts = true, .cut_off = true}, 100);
}

TEST(Simulation, AlsoBesideAJobThatFitsNobodyWhichWaits) {
  Chaos chaos(1, {.misfits = true});
  chaos.run(12);
  EXPECT_EQ(chaos.job().counts.done, 24U);
  EXPECT_EQ(chaos.misfit().counts.ready, 3U);
  expect_all_done({.concats = true, .restarts = true, .cut_off = true, .misfits = true}, 50);
}

// A task may meet bad hosts alone, and fails then; nothing else is lost, and nothing goes on for
// ever.
TEST(Simulation, WithBadHostsEveryJobEndsAndWhatFailsSaysWhere) {
  std::uint32_t done = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Chaos chaos(seed, {.concats = true, .restarts = true, .cut_off = true, .bad_hosts = true});
    chaos.run(12);
    ASSERT_TRUE(chaos.job().ended);
    done += chaos.job().counts.done;
    for (const auto& [id, task] : chaos.fleet().state.tasks) {
      if (task.state != TaskState::kFailed) continue;
      EXPECT_NE(task.error.message().find(" on h"), std::string::npos) << task.error;
    }
    check_log(chaos.fleet());
    check_state(chaos.fleet().state);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(done, 100U * 10);
}

}  // namespace
}  // namespace mimicfleet::coordinator
