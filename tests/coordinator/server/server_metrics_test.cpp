#include "coordinator/server/server_metrics.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/scheduler/decide.h"
#include "coordinator/server/server.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// Metrics of a fleet that is moved by hand; all that is decided is stored at once.
class ServerMetricsTest : public testing::Test {
 protected:
  ServerMetricsTest()
      : folder_(fs::path(testing::TempDir()) / ("state." + to_string(new_id<JobId>()))) {
    fs::create_directories(folder_);
  }
  ~ServerMetricsTest() override { fs::remove_all(folder_); }

  // A scrape after what has happened so far.
  std::string text() {
    server_.on_commit(fleet_.events, fleet_.tally);
    fleet_.events.clear();
    fleet_.tally = {};
    server_.look(fleet_.state, fleet_.clock.now());
    return metrics_.text();
  }

  // The leases of a worker, one after the other, until nothing is left.
  void do_all(WorkerId worker, jobs::TaskResult result = {}) {
    for (fleet_.beat(worker); !fleet_.leases(worker).empty(); fleet_.beat(worker)) {
      fleet_.complete(worker, fleet_.lease(worker), result);
    }
  }

  fs::path folder_;
  Fleet fleet_;
  monitoring::Metrics metrics_;
  ServerMetrics server_{metrics_, folder_, fleet_.clock};
};

TEST_F(ServerMetricsTest, EveryLabelValueIsThereFromTheFirstScrape) {
  const std::string text = metrics_.text();
  for (const char* line :
       {"mimicfleet_jobs{state=\"running\"} 0",
        "mimicfleet_jobs_ended_total{state=\"cancelled\"} 0",
        "mimicfleet_tasks{kind=\"decode_video\",state=\"waiting\"} 0",
        "mimicfleet_tasks_ended_total{kind=\"encode_latents\",state=\"failed\"} 0",
        "mimicfleet_task_attempts_failed_total{kind=\"decode_video\"} 0",
        "mimicfleet_videos_made_total 0",
        "mimicfleet_frames_made_total 0",
        "mimicfleet_task_wait_seconds_count{kind=\"encode_latents\"} 0",
        "mimicfleet_oldest_ready_task_age_seconds 0",
        "mimicfleet_workers{state=\"draining\"} 0",
        "mimicfleet_workers_set_aside 0",
        "mimicfleet_events_total{kind=\"stale_result\"} 0",
        "mimicfleet_lease_expiries_total{reason=\"not_started\"} 0",
        "mimicfleet_host_failures_total{reason=\"not_found\"} 0",
        "mimicfleet_messages_received_total{type=\"worker_hello\"} 0",
        "mimicfleet_messages_refused_total{reason=\"version\"} 0",
        "mimicfleet_task_steps_total 0",
        "mimicfleet_work_seconds_total 0",
        "mimicfleet_store_write_duration_seconds_count 0",
        "mimicfleet_store_write_failures_total 0"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("mimicfleet_queue_depth")));
}

TEST_F(ServerMetricsTest, OpenTasksAreGaugesAndThoseThatEndedAreCounters) {
  fleet_.submit(2);
  EXPECT_THAT(text(), HasSubstr("mimicfleet_tasks{kind=\"encode_latents\",state=\"ready\"} 2"));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_tasks{kind=\"decode_video\",state=\"waiting\"} 2"));
  jobs::TaskResult result;
  result.frames = 16;
  do_all(fleet_.join("w"), result);
  const std::string done = text();
  for (const char* line :
       {"mimicfleet_tasks{kind=\"encode_latents\",state=\"ready\"} 0",
        "mimicfleet_tasks_ended_total{kind=\"encode_latents\",state=\"done\"} 2",
        "mimicfleet_tasks_ended_total{kind=\"decode_video\",state=\"done\"} 2",
        "mimicfleet_videos_made_total 2", "mimicfleet_frames_made_total 32",
        "mimicfleet_jobs{state=\"running\"} 0", "mimicfleet_jobs{state=\"done\"} 1",
        "mimicfleet_jobs_ended_total{state=\"done\"} 1"}) {
    EXPECT_THAT(done, HasSubstr(line));
  }
}

TEST_F(ServerMetricsTest, WhatWasDecidedAndIsNotStoredIsNotCounted) {
  fleet_.submit(1);
  do_all(fleet_.join("w"));
  server_.look(fleet_.state, fleet_.clock.now());
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_videos_made_total 0"));
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_jobs_ended_total{state=\"done\"} 0"));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_videos_made_total 1"));
}

TEST_F(ServerMetricsTest, TheAgeOfTheOldestReadyTaskGrowsUntilItIsLeased) {
  fleet_.submit(1);
  fleet_.pass(seconds(4));
  fleet_.submit(1);
  text();
  fleet_.clock.advance(seconds(3));
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_oldest_ready_task_age_seconds 7"));
  fleet_.join("w");
  EXPECT_THAT(text(), HasSubstr("mimicfleet_oldest_ready_task_age_seconds 3"));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_task_wait_seconds_sum{kind=\"encode_latents\"} 7"));
  fleet_.join("x");
  EXPECT_THAT(text(), HasSubstr("mimicfleet_oldest_ready_task_age_seconds 0"));
}

TEST_F(ServerMetricsTest, AWorkerHasASeriesWhileItIsThere) {
  auto hello = fleet_.hello("w");
  hello.host = "h1";
  fleet_.input(hello);
  text();
  fleet_.clock.advance(seconds(2));
  EXPECT_THAT(metrics_.text(),
              HasSubstr("mimicfleet_worker_last_heard_seconds{host=\"h1\",worker=\"w\"} 2"));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_workers{state=\"loading\"} 1"));
  fleet_.input(StopWorker{hello.worker, true});
  EXPECT_THAT(text(), HasSubstr("mimicfleet_workers{state=\"draining\"} 1"));
  fleet_.input(jobs::WorkerGoodbye{hello.worker});
  const std::string after = text();
  EXPECT_THAT(after, Not(HasSubstr("mimicfleet_worker_last_heard_seconds{")));
  EXPECT_THAT(after, HasSubstr("mimicfleet_workers_joined_total{host=\"h1\"} 1"));
  EXPECT_THAT(after, HasSubstr("mimicfleet_workers_left_total{host=\"h1\",reason=\"goodbye\"} 1"));
  EXPECT_THAT(after, HasSubstr("mimicfleet_workers_left_total{host=\"h1\",reason=\"lost\"} 0"));
}

// One that was lost, and its successor, which came before anybody knew.
TEST_F(ServerMetricsTest, TwoWorkersOfOneNameAreOneSeries) {
  fleet_.input(fleet_.hello("w"));
  fleet_.clock.advance(seconds(4));
  fleet_.input(fleet_.hello("w"));
  text();
  fleet_.clock.advance(seconds(1));
  const std::string text = metrics_.text();
  const std::string series = "mimicfleet_worker_last_heard_seconds{host=\"\",worker=\"w\"} ";
  ASSERT_THAT(text, HasSubstr(series + "1\n"));
  EXPECT_EQ(text.find(series), text.rfind(series));
}

TEST_F(ServerMetricsTest, ALostWorkerHasASeriesUntilAnotherOneComesInItsPlace) {
  const auto come = [&](const std::string& name, const std::string& device) {
    auto hello = fleet_.hello(name);
    hello.host = "h1";
    hello.device = device;
    fleet_.input(hello);
    return hello.worker;
  };
  come("h1-cuda:0-11", "cuda:0");
  fleet_.pass(seconds(4));
  const WorkerId other = come("h1-cuda:1-12", "cuda:1");
  for (int i = 0; i < 15; ++i) {
    fleet_.pass(seconds(1));
    fleet_.beat(other);
  }
  text();
  fleet_.clock.advance(seconds(5));
  const std::string lost =
      "mimicfleet_worker_lost_seconds{device=\"cuda:0\",host=\"h1\",worker=\"h1-cuda:0-11\"} ";
  EXPECT_THAT(
      text(),
      HasSubstr(lost + "5\n"));  // the other one, which came not long before, is not its successor
  come("h1-cuda:0-13", "cuda:0");
  EXPECT_THAT(text(), Not(HasSubstr("mimicfleet_worker_lost_seconds{")));
}

TEST_F(ServerMetricsTest, TheLeaseIsThere) {
  fleet_.state.config.lease = milliseconds(2'500);
  EXPECT_THAT(text(), HasSubstr("mimicfleet_lease_seconds 2.5\n"));
}

TEST_F(ServerMetricsTest, StepsAreCountedWhileATaskRuns) {
  fleet_.submit(1);
  const WorkerId worker = fleet_.join("w");
  const TaskId task = fleet_.lease(worker).task;
  fleet_.beat(worker, 1, 0,
              {{task, std::string(to_string(jobs::Stage::kQueued))}});  // waiting is no progress
  EXPECT_THAT(text(), HasSubstr("mimicfleet_task_steps_total 0\n"));
  for (const int step : {0, 0, 1, 1, 2}) fleet_.beat(worker, 1, step);
  EXPECT_THAT(text(), HasSubstr("mimicfleet_task_steps_total 3\n"));
}

TEST_F(ServerMetricsTest, TheTimeCountsInWhichTasksAreOpen) {
  text();
  fleet_.clock.advance(seconds(100));
  text();
  fleet_.submit(1);
  text();
  fleet_.clock.advance(seconds(7));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_work_seconds_total 7\n"));
  do_all(fleet_.join("w"));
  fleet_.clock.advance(seconds(2));
  text();
  fleet_.clock.advance(seconds(50));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_work_seconds_total 9\n"));
}

// Its decode fails with its encode.
TEST_F(ServerMetricsTest, AClipThatCannotBeMadeIsOneVideo) {
  fleet_.submit(2);
  const WorkerId worker = fleet_.join("w");
  fleet_.fail(worker, fleet_.lease(worker), Status(StatusCode::kBadInput, "no person"));
  const std::string text_now = text();
  EXPECT_THAT(text_now, HasSubstr("mimicfleet_job_videos_failed{number=\"1\"} 1\n"));
  EXPECT_THAT(
      text_now,
      HasSubstr("mimicfleet_tasks_ended_total{kind=\"decode_video\",state=\"failed\"} 1\n"));
  EXPECT_THAT(text_now, HasSubstr("mimicfleet_job_tasks{number=\"1\",state=\"failed\"} 2\n"));
}

TEST_F(ServerMetricsTest, HostsBeyondABoundAreOneSeries) {
  for (int i = 0; i < 1100; ++i) {
    auto hello = fleet_.hello("w");
    hello.host = "h" + std::to_string(i);
    fleet_.input(hello);
  }
  EXPECT_THAT(text(), HasSubstr("mimicfleet_workers_joined_total{host=\"h999\"} 1"));
  EXPECT_THAT(text(), HasSubstr("mimicfleet_workers_joined_total{host=\"other\"} 100"));
}

TEST_F(ServerMetricsTest, ExpiriesAndHostsThatCannotDoTheirTasksAreCountedByReason) {
  fleet_.submit(6);
  fleet_.join("good");
  const WorkerId bad = fleet_.join("bad");
  for (int i = 0; i < 3; ++i) {
    fleet_.fail_on_host(bad, fleet_.lease(bad));
    fleet_.beat(bad);
  }
  const std::string aside = text();
  EXPECT_THAT(aside, HasSubstr("mimicfleet_host_failures_total{reason=\"not_found\"} 3"));
  EXPECT_THAT(aside, HasSubstr("mimicfleet_workers_set_aside 1"));
  EXPECT_THAT(aside, HasSubstr("mimicfleet_events_total{kind=\"host_failed\"} 3"));
  fleet_.pass(seconds(11));
  const std::string lost = text();
  EXPECT_THAT(lost, HasSubstr("mimicfleet_lease_expiries_total{reason=\"silent\"} 1"));
  EXPECT_THAT(lost, HasSubstr("mimicfleet_task_attempts_failed_total{kind=\"encode_latents\"} 1"));
  EXPECT_THAT(lost, HasSubstr("mimicfleet_workers_left_total{host=\"\",reason=\"lost\"} 2"));
}

TEST_F(ServerMetricsTest, AJobHasSeriesUntilAnHourAfterItsEnd) {
  const std::int64_t now =
      std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const JobId id = fleet_.submit(1);
  jobs::TaskResult result;
  result.frames = 9;
  EXPECT_THAT(text(), HasSubstr("mimicfleet_job_tasks{number=\"1\",state=\"ready\"} 1"));
  do_all(fleet_.join("w"), result);
  Job& job = fleet_.state.jobs.at(id);
  job.submitted_wall_ms = now - 90'500;
  job.ended_wall_ms = now - 1'000;
  const std::string ended = text();
  EXPECT_THAT(ended, HasSubstr("mimicfleet_job_tasks{number=\"1\",state=\"done\"} 2"));
  EXPECT_THAT(ended, HasSubstr("mimicfleet_job_videos_made{number=\"1\"} 1"));
  EXPECT_THAT(ended, HasSubstr("mimicfleet_job_frames_made{number=\"1\"} 9"));
  EXPECT_THAT(ended, HasSubstr("mimicfleet_job_age_seconds{number=\"1\"} 89.5"));
  job.ended_wall_ms = now - 3'700'000;
  fleet_.clock.advance(seconds(61));
  EXPECT_THAT(text(), Not(HasSubstr("mimicfleet_job_tasks{")));
}

TEST_F(ServerMetricsTest, OnlyTheNewestJobsHaveSeries) {
  for (int i = 0; i < 60; ++i) fleet_.submit(1);
  const std::string text_now = text();
  EXPECT_THAT(text_now, HasSubstr("mimicfleet_jobs{state=\"running\"} 60"));
  EXPECT_THAT(text_now, HasSubstr("mimicfleet_job_videos_made{number=\"60\"}"));
  EXPECT_THAT(text_now, HasSubstr("mimicfleet_job_videos_made{number=\"11\"}"));
  EXPECT_THAT(text_now, Not(HasSubstr("mimicfleet_job_videos_made{number=\"10\"}")));
}

TEST_F(ServerMetricsTest, TheStateFolderAndItsDiskAreMeasured) {
  fs::create_directories(folder_ / "jobs.db");
  std::ofstream(folder_ / "mark") << "12345";
  std::ofstream(folder_ / "jobs.db/000001.log") << "1234567";
  monitoring::Metrics metrics;
  const ServerMetrics server(metrics, folder_, fleet_.clock);
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_state_bytes 12\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_disk_free_bytes{folder=\"state\"} "));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_disk_size_bytes{folder=\"state\"} "));
}

TEST_F(ServerMetricsTest, AStateFolderThatIsNotMadeYetIsEmpty) {
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_state_bytes 0\n"));
}

// For the thread sanitizer.
TEST_F(ServerMetricsTest, AScrapeMayComeAtAnyTime) {
  std::atomic<bool> over = false;
  std::thread scraper([&] {
    do {
      static_cast<void>(metrics_.text());
    } while (!over);
  });
  for (int i = 0; i < 50; ++i) {
    fleet_.submit(1);
    fleet_.join("w" + std::to_string(i));
    server_.on_commit(fleet_.events, fleet_.tally);
    server_.look(fleet_.state, {});
  }
  over = true;
  scraper.join();
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_jobs{state=\"running\"} 50"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
