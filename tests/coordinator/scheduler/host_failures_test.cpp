#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/scheduler/eligibility.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// Workers of which some do not see a folder, and nobody else will come.
class HostFailures : public testing::Test {
 protected:
  HostFailures() { fleet_.state.config.refusal_grace = {}; }
  WorkerId join(const std::string& name, const std::string& host) {
    auto hello = fleet_.hello(name);
    hello.host = host;
    fleet_.input(hello);
    fleet_.beat(hello.worker);
    return hello.worker;
  }
  // Finishes all that these workers get until none gets any more.
  void work_off(const std::vector<WorkerId>& workers) {
    for (bool any = true; any;) {
      any = false;
      for (const WorkerId& worker : workers) {
        for (; !fleet_.leases(worker).empty(); any = true) {
          fleet_.complete(worker, fleet_.lease(worker));
          fleet_.beat(worker);
        }
      }
    }
  }
  std::string explanation(const TaskId& task) const {
    return explain(fleet_.state, fleet_.task(task), fleet_.clock.now());
  }
  bool is_set_aside(WorkerId worker, JobId job) const {
    return coordinator::is_set_aside(fleet_.state, fleet_.state.workers.at(worker), job);
  }

  Fleet fleet_;
  const Status no_folder_{StatusCode::kNotFound, "/data/a.mp4: no such file"};
  const Status disk_full_{StatusCode::kResourceExhausted, "/out/a.mp4: no space left"};
};

TEST_F(HostFailures, ATaskThatAWorkersHostCannotDoGoesToAnotherWithoutCounting) {
  const JobId job = fleet_.submit(1);
  const WorkerId bad = join("bad", "h1");
  const WorkerId good = join("good", "h2");
  const auto attempt = fleet_.lease(bad);
  fleet_.beat(good, 0);  // busy
  fleet_.fail_on_host(bad, attempt);
  for (int i = 0; i < 20; ++i) {
    fleet_.pass(seconds(1));
    fleet_.beat(bad);
    fleet_.beat(good, 0);
  }
  EXPECT_THAT(fleet_.leases(bad), IsEmpty());
  EXPECT_EQ(fleet_.task(attempt.task).failures, 0U);
  EXPECT_EQ(fleet_.state.workers.at(bad).tasks_failed, 0U);
  EXPECT_EQ(fleet_.count_events("host_failed"), 1U);
  EXPECT_EQ(fleet_.count_events("task_failed"), 0U);
  EXPECT_THAT(explanation(attempt.task), HasSubstr("1 of 2 workers can take it, all busy now; bad: "
                                                   "it could not do it: /data: no such folder"));
  fleet_.beat(good);
  EXPECT_EQ(fleet_.lease(good).task, attempt.task);
  work_off({good, bad});
  EXPECT_EQ(fleet_.job(job).counts.done, 2U);
}

TEST_F(HostFailures, AfterThreeOfThemAWorkerGetsNothingMoreOfThatJobButOfOthers) {
  const JobId job = fleet_.submit(21);
  const WorkerId good = join("good", "h1");
  const WorkerId bad = join("bad", "h2");
  int tried = 0;
  for (int i = 0; i < 100; ++i) {
    if (!fleet_.leases(bad).empty()) {
      fleet_.fail_on_host(bad, fleet_.lease(bad));
      ++tried;
    }
    fleet_.pass(seconds(1));
    fleet_.beat(good);
    fleet_.beat(bad);
  }
  EXPECT_EQ(tried, 3);
  EXPECT_EQ(fleet_.count_events("worker_set_aside"), 1U);
  const auto said = std::find_if(fleet_.events.begin(), fleet_.events.end(), [](const auto& event) {
    return event.kind == "worker_set_aside";
  });
  EXPECT_EQ(said->host, "h2");
  EXPECT_EQ(said->job, fleet_.job(job).number);
  EXPECT_THAT(said->detail, HasSubstr("the last: /data: no such folder"));
  EXPECT_THAT(explanation(fleet_.job(job).tasks.at(20 * 2)),
              HasSubstr("bad: it gets no more of this job after 3"));
  const JobId next = fleet_.submit(1);
  EXPECT_EQ(fleet_.task(fleet_.lease(bad).task).spec.job, next);
  work_off({bad, good});
  EXPECT_EQ(fleet_.job(job).counts.done, 42U);
  EXPECT_EQ(fleet_.job(next).counts.done, 2U);
}

TEST_F(HostFailures, AClipThatNoHostCanDoFailsNamingThemAllAndTheOthersGoOn) {
  const JobId job = fleet_.submit(12);
  const WorkerId a = join("a", "h1");
  const WorkerId b = join("b", "h2");
  const auto is_missing = [&](const TaskAttempt& attempt) {
    return fleet_.task(attempt.task).position < 10;
  };
  std::size_t attempts = 0;
  for (int i = 0; i < 100; ++i) {
    for (const WorkerId worker : {a, b}) {
      if (fleet_.leases(worker).empty()) continue;
      const auto attempt = fleet_.lease(worker);
      ++attempts;
      is_missing(attempt) ? fleet_.fail_on_host(worker, attempt, no_folder_)
                          : fleet_.complete(worker, attempt);
      fleet_.beat(worker);
    }
  }
  EXPECT_TRUE(fleet_.job(job).ended);
  EXPECT_EQ(fleet_.job(job).counts.failed, 10U) << "5 clips of which each has two tasks";
  EXPECT_EQ(fleet_.job(job).counts.done, 14U);
  EXPECT_EQ(attempts, 5U * 2 + 14);
  const std::string error = fleet_.task(fleet_.job(job).tasks.front()).error.message();
  EXPECT_THAT(error, AllOf(HasSubstr("/data/a.mp4: no such file ("), HasSubstr("a on h1"),
                           HasSubstr("b on h2")));
  EXPECT_FALSE(is_set_aside(a, job)) << "what nobody sees is nobody's fault";
  EXPECT_FALSE(is_set_aside(b, job));
  EXPECT_THAT(fleet_.state.refused, IsEmpty());
}

TEST_F(HostFailures, DifferentReasonsAreAllTold) {
  const JobId job = fleet_.submit(1);
  const WorkerId a = join("a", "h1");
  fleet_.fail_on_host(a, fleet_.lease(a), no_folder_);
  EXPECT_EQ(fleet_.task(fleet_.job(job).tasks[0]).error.message(),
            "/data/a.mp4: no such file (a on h1)");
  const JobId other = fleet_.submit(1);
  const WorkerId b = join("b", "h2");
  fleet_.beat(a);
  fleet_.fail_on_host(a, fleet_.lease(a), no_folder_);
  fleet_.beat(b);
  fleet_.fail_on_host(b, fleet_.lease(b),
                      Status(StatusCode::kFailedPrecondition, "/data: below no root"));
  EXPECT_EQ(fleet_.task(fleet_.job(other).tasks[0]).error,
            Status(StatusCode::kNotFound,
                   "/data/a.mp4: no such file (a on h1); /data: below no root (b on h2)"));
}

TEST_F(HostFailures, AWorkerAloneFailsEachClipAtItsFirstAttempt) {
  const JobId job = fleet_.submit(9);
  const WorkerId only = join("only", "h");
  for (int i = 0; i < 5; ++i) {
    const auto attempt = fleet_.lease(only);
    fleet_.fail_on_host(only, attempt, no_folder_);
    EXPECT_EQ(fleet_.task(attempt.task).state, TaskState::kFailed);
    EXPECT_EQ(fleet_.task(attempt.task).attempt, 1U);
    fleet_.beat(only);
  }
  EXPECT_EQ(fleet_.state.workers.at(only).tasks_failed, 0U) << "it is not held against it";
  work_off({only});
  EXPECT_TRUE(fleet_.job(job).ended);
  EXPECT_EQ(fleet_.job(job).counts.done, 8U) << "the four clips that are there";
}

TEST_F(HostFailures, WhatMayPassIsTriedAgainBoundedly) {
  const JobId job = fleet_.submit(1);
  const WorkerId a = join("a", "h1");
  const WorkerId b = join("b", "h2");
  std::size_t attempts = 0;
  for (int i = 0; i < 100; ++i) {
    for (const WorkerId worker : {a, b}) {
      fleet_.beat(worker);
      if (fleet_.leases(worker).empty()) continue;
      fleet_.fail_on_host(worker, fleet_.lease(worker), disk_full_);
      ++attempts;
    }
    fleet_.pass(seconds(1));
  }
  EXPECT_EQ(attempts, 3U * 2);
  EXPECT_TRUE(fleet_.job(job).ended);
  EXPECT_EQ(fleet_.task(fleet_.job(job).tasks[0]).error.code(), StatusCode::kResourceExhausted);
}

TEST_F(HostFailures, ATaskOfTheJobThatIsDoneForgetsThem) {
  const JobId job = fleet_.submit(20);
  const WorkerId good = join("good", "h1");
  const WorkerId shaky = join("shaky", "h2");
  for (int encodes = 0; encodes < 9;) {  // every third one is done
    const auto attempt = fleet_.lease(shaky);
    const bool encodes_now = fleet_.kind(attempt) == TaskKind::kEncodeLatents;
    if (encodes_now && ++encodes % 3 != 0) {
      fleet_.fail_on_host(shaky, attempt);
    } else {
      fleet_.complete(shaky, attempt);
    }
    fleet_.beat(shaky);
  }
  EXPECT_EQ(fleet_.count_events("host_failed"), 6U);
  EXPECT_FALSE(is_set_aside(shaky, job));
  EXPECT_EQ(fleet_.count_events("worker_set_aside"), 0U);
  work_off({shaky, good});
  EXPECT_EQ(fleet_.job(job).counts.done, 40U);
}

// Its output folder is not shared: it encodes well, and that says nothing of its decodes.
TEST_F(HostFailures, TasksOfAnotherKindThatAreDoneDoNotForgetThem) {
  const JobId job = fleet_.submit(20);
  const WorkerId bad = join("bad", "h1");
  const WorkerId busy = join("busy", "h2");
  for (int i = 0; i < 50 && !fleet_.leases(bad).empty(); ++i) {
    const auto attempt = fleet_.lease(bad);
    fleet_.kind(attempt) == TaskKind::kDecodeVideo ? fleet_.fail_on_host(bad, attempt)
                                                   : fleet_.complete(bad, attempt);
    fleet_.beat(bad);
  }
  EXPECT_TRUE(is_set_aside(bad, job));
  fleet_.complete(busy, fleet_.lease(busy));
  fleet_.beat(busy);
  work_off({busy});
  EXPECT_EQ(fleet_.job(job).counts.done, 40U);
}

TEST_F(HostFailures, AWorkerThatConnectsAnewIsAskedAgain) {
  const JobId job = fleet_.submit(20);
  const WorkerId good = join("good", "h1");
  auto hello = fleet_.hello("mounts late");
  fleet_.input(hello);
  fleet_.beat(hello.worker);
  const auto first = fleet_.lease(hello.worker);
  for (int i = 0; i < 3; ++i) {
    fleet_.fail_on_host(hello.worker, fleet_.lease(hello.worker));
    fleet_.beat(hello.worker);
  }
  ASSERT_TRUE(is_set_aside(hello.worker, job));
  ASSERT_THAT(fleet_.leases(hello.worker), IsEmpty());
  fleet_.input(hello);
  EXPECT_EQ(fleet_.lease(hello.worker).task, first.task) << "also for what it could not do";
  EXPECT_THAT(fleet_.leases(good), SizeIs(1));
}

TEST_F(HostFailures, AWorkerThatStillLoadsIsWaitedFor) {
  fleet_.submit(4);
  auto loading = fleet_.hello("loading");
  loading.model_sets.clear();
  fleet_.input(loading);
  const WorkerId bad = join("bad", "h1");
  for (int i = 0; i < 3; ++i) {
    fleet_.fail_on_host(bad, fleet_.lease(bad));
    fleet_.beat(bad);
  }
  EXPECT_THAT(fleet_.leases(bad), IsEmpty());
  EXPECT_EQ(fleet_.count_events("task_failed"), 0U);
  loading.model_sets = {fleet_.models()};
  fleet_.input(loading);
  fleet_.beat(loading.worker);
  work_off({loading.worker});
  EXPECT_EQ(fleet_.state.jobs.begin()->second.counts.done, 8U);
}

TEST_F(HostFailures, WhenTheOthersLeaveWhatWasRefusedFails) {
  const JobId job = fleet_.submit(1);
  const WorkerId bad = join("bad", "h1");
  const WorkerId other = join("other", "h2");
  fleet_.beat(other, 0);  // busy
  fleet_.fail_on_host(bad, fleet_.lease(bad), no_folder_);
  fleet_.pass(seconds(1));
  EXPECT_FALSE(fleet_.job(job).ended);
  fleet_.input(jobs::WorkerGoodbye{other});
  fleet_.pass(seconds(1));
  EXPECT_TRUE(fleet_.job(job).ended);
  EXPECT_THAT(fleet_.task(fleet_.job(job).tasks[0]).error.message(), HasSubstr("(bad on h1)"));
}

TEST_F(HostFailures, WhenNobodyIsThereATaskWaitsForWhoComes) {
  const JobId job = fleet_.submit(1);
  const WorkerId bad = join("bad", "h1");
  const WorkerId other = join("other", "h2");
  fleet_.beat(other, 0);  // busy
  fleet_.fail_on_host(bad, fleet_.lease(bad), no_folder_);
  fleet_.input(jobs::WorkerGoodbye{bad});
  fleet_.input(jobs::WorkerGoodbye{other});
  fleet_.pass(seconds(60));
  EXPECT_FALSE(fleet_.job(job).ended);
  const WorkerId late = join("late", "h3");
  work_off({late});
  EXPECT_EQ(fleet_.job(job).counts.done, 2U);
}

TEST_F(HostFailures, AWorkerThatIsSetAsideGetsTheRestWhenNobodyElseIsThere) {
  const JobId job = fleet_.submit(10);
  const WorkerId good = join("good", "h1");
  const WorkerId bad = join("bad", "h2");
  for (int i = 0; i < 3; ++i) {
    fleet_.fail_on_host(bad, fleet_.lease(bad), no_folder_);
    fleet_.beat(bad);
  }
  ASSERT_THAT(fleet_.leases(bad), IsEmpty());
  fleet_.input(jobs::WorkerGoodbye{good});
  fleet_.pass(seconds(1));
  EXPECT_EQ(fleet_.job(job).counts.failed, 2U * 3) << "those that it could not do";
  fleet_.beat(bad);
  work_off({bad});
  EXPECT_EQ(fleet_.job(job).counts.done, 2U * 7);
}

TEST_F(HostFailures, ARetryOfTheJobAsksEverybodyAgain) {
  const JobId job = fleet_.submit(8);
  const WorkerId good = join("good", "h1");
  const WorkerId bad = join("bad", "h2");
  for (int i = 0; i < 3; ++i) {
    fleet_.fail_on_host(bad, fleet_.lease(bad));
    fleet_.beat(bad);
  }
  ASSERT_TRUE(is_set_aside(bad, job));
  fleet_.input(CancelJob{job});
  fleet_.input(RetryJob{job});
  EXPECT_FALSE(is_set_aside(bad, job));
  fleet_.beat(bad);
  EXPECT_THAT(fleet_.leases(bad), SizeIs(1));
  EXPECT_THAT(fleet_.leases(good), SizeIs(1));
}

TEST_F(HostFailures, CodesThatAreNeverAboutATaskTellThem) {
  fleet_.submit(6);
  const WorkerId bad = join("bad", "h1");
  join("good", "h2");
  for (const auto code :
       {StatusCode::kNotFound, StatusCode::kFailedPrecondition, StatusCode::kInputChanged}) {
    const auto attempt = fleet_.lease(bad);
    fleet_.fail(bad, attempt, Status(code, "/data: not here"));
    EXPECT_EQ(fleet_.task(attempt.task).state, TaskState::kReady) << to_string(code);
    fleet_.beat(bad);
  }
  EXPECT_THAT(fleet_.leases(bad), IsEmpty());
}

TEST_F(HostFailures, ARestartForgetsThem) {
  fleet_.submit(1);
  auto hello = fleet_.hello("bad");
  fleet_.input(hello);
  fleet_.beat(hello.worker);
  fleet_.beat(join("good", "h2"), 0);
  fleet_.fail_on_host(hello.worker, fleet_.lease(hello.worker));
  fleet_.beat(hello.worker);
  ASSERT_THAT(fleet_.leases(hello.worker), IsEmpty());
  fleet_.restart();
  fleet_.input(hello);
  fleet_.beat(hello.worker);
  EXPECT_THAT(fleet_.leases(hello.worker), SizeIs(1));
}

// Others may come, or come back.
class AbsentWorkers : public HostFailures {
 protected:
  AbsentWorkers() { fleet_.state.config.refusal_grace = seconds(60); }
  void leave(WorkerId worker) { fleet_.input(jobs::WorkerGoodbye{worker}); }
  // `bad` refuses whatever it gets.
  void refuse_all(WorkerId bad) {
    fleet_.beat(bad);
    for (; !fleet_.leases(bad).empty(); fleet_.beat(bad))
      fleet_.fail_on_host(bad, fleet_.lease(bad));
  }
  void pass(int time, WorkerId bad) {
    for (int i = 0; i < time; ++i) {
      fleet_.pass(seconds(1));
      refuse_all(bad);
    }
  }
  // Until the job has ended, at most so many seconds; how many it took.
  int wait_for_end(JobId job, WorkerId bad, int most) {
    for (int passed = 0; passed < most; ++passed) {
      if (fleet_.job(job).ended) return passed;
      pass(1, bad);
    }
    return most;
  }
};

TEST_F(AbsentWorkers, AWorkerThatIsStartedAgainBesideABadOneCostsNoClip) {
  const JobId job = fleet_.submit(7);
  WorkerId good = join("good", "h1");
  const WorkerId bad = join("bad", "h2");
  fleet_.complete(good, fleet_.lease(good));
  fleet_.beat(good);
  for (int i = 0; i < 6; ++i) {  // more often than a task is tried
    leave(good);
    refuse_all(bad);
    fleet_.pass(seconds(2));
    refuse_all(bad);
    good = join("good", "h1");
    fleet_.complete(good, fleet_.lease(good));
  }
  EXPECT_EQ(fleet_.count_events("task_failed"), 0U);
  fleet_.beat(good);
  work_off({good});
  EXPECT_EQ(fleet_.job(job).counts.done, 14U);
}

TEST_F(AbsentWorkers, ABadWorkerThatComesFirstFailsNothing) {
  const JobId job = fleet_.submit(21);
  const WorkerId bad = join("bad", "h2");
  refuse_all(bad);
  pass(40, bad);
  EXPECT_EQ(fleet_.job(job).counts.failed, 0U);
  const WorkerId good = join("good", "h1");
  work_off({good});
  EXPECT_EQ(fleet_.job(job).counts.done, 42U);
}

TEST_F(AbsentWorkers, WhenNobodyComesTheClipFailsAndUntilThenThatIsTold) {
  const JobId job = fleet_.submit(1);
  const WorkerId bad = join("bad", "h2");
  refuse_all(bad);
  pass(18, bad);
  EXPECT_EQ(explanation(fleet_.job(job).tasks[0]),
            "every worker's host refused it: /data: no such folder (bad on h2); waiting 42 s for "
            "another worker");
  EXPECT_EQ(wait_for_end(job, bad, 200), 60 - 18);
  EXPECT_EQ(fleet_.task(fleet_.job(job).tasks[1]).error.message(),
            "/data: no such folder (bad on h2)");
  EXPECT_EQ(fleet_.state.workers.at(bad).tasks_failed, 0U);
}

TEST_F(AbsentWorkers, OneThatDidTasksOfTheJobIsWaitedForFiveTimesAsLong) {
  const JobId job = fleet_.submit(1);
  const WorkerId good = join("good", "h1");
  fleet_.complete(good, fleet_.lease(good));
  const WorkerId bad = join("bad", "h2");
  leave(good);
  refuse_all(bad);
  EXPECT_EQ(wait_for_end(job, bad, 1000), 300);
}

TEST_F(AbsentWorkers, AlsoAfterARestartOfTheCoordinator) {
  const JobId job = fleet_.submit(1);
  const WorkerId good = join("good", "h1");
  fleet_.complete(good, fleet_.lease(good));
  fleet_.restart();
  const WorkerId bad = join("bad", "h2");
  for (int i = 0; i < 20 && fleet_.count_events("host_failed") == 0; ++i)
    pass(1, bad);  // holders may come back
  EXPECT_THAT(wait_for_end(job, bad, 1000), AllOf(testing::Ge(300), testing::Le(310)));
}

TEST_F(AbsentWorkers, OneThatLoadsIsWaitedForHoweverLongAndTheTimeBeginsWhenItIsGone) {
  const JobId job = fleet_.submit(1);
  const WorkerId bad = join("bad", "h2");
  refuse_all(bad);
  auto loading = fleet_.hello("loading");
  loading.model_sets.clear();
  fleet_.input(loading);
  for (int i = 0; i < 300; ++i) {
    fleet_.pass(seconds(1));
    refuse_all(bad);
    fleet_.state.workers.at(loading.worker).last_heard = fleet_.clock.now();
  }
  EXPECT_FALSE(fleet_.job(job).ended);
  leave(loading.worker);
  EXPECT_EQ(wait_for_end(job, bad, 200), 60);
}

TEST_F(AbsentWorkers, ABadWorkerThatIsStartedAgainAndAgainIsNoNewHope) {
  const JobId job = fleet_.submit(1);
  int passed = 0;
  for (; passed < 1000 && !fleet_.job(job).ended; passed += 10) {
    const WorkerId bad = join("bad", "h2");
    refuse_all(bad);
    fleet_.pass(seconds(9));
    EXPECT_THAT(fleet_.task(fleet_.job(job).tasks[0]).host_failures, SizeIs(testing::Le(1U)));
    if (!fleet_.job(job).ended) leave(bad);
    fleet_.pass(seconds(1));
  }
  EXPECT_EQ(passed, 70);
}

TEST_F(AbsentWorkers, OneThatLacksTheModelsIsNoHopeAndTheModelsAreNamed) {
  const JobId job = fleet_.submit(1);
  auto other = fleet_.hello("other");
  other.model_sets[0].id = sha256("toys");
  fleet_.input(other);
  fleet_.beat(other.worker);
  EXPECT_THAT(explanation(fleet_.job(job).tasks[0]),
              HasSubstr("other: it does not have the models big (" +
                        fleet_.models().id.hex().substr(0, 8) + ")"));
  EXPECT_TRUE(is_stuck(fleet_.state, fleet_.task(fleet_.job(job).tasks[0])));
  EXPECT_TRUE(is_stuck(fleet_.state, fleet_.task(fleet_.job(job).tasks[1]))) << "it waits for that";
  join("good", "h1");
  EXPECT_FALSE(is_stuck(fleet_.state, fleet_.task(fleet_.job(job).tasks[1])));
}

}  // namespace
}  // namespace mimicfleet::coordinator
