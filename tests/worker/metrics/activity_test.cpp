#include "worker/metrics/activity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fake_clock.h"

namespace mimicfleet::worker {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ActivityTest : public ::testing::Test {
 protected:
  static jobs::TaskAttempt attempt(std::uint32_t number) { return {task(), number}; }
  static jobs::TaskId task() {
    static const auto id = new_id<jobs::TaskId>();
    return id;
  }
  void in_stage(std::uint32_t number, const std::string& stage) {
    activity_.in_stage({task(), number, stage, 0, 0});
  }
  FakeClock clock_;
  monitoring::Metrics metrics_;
  WorkerMetrics worker_{metrics_};
  Activity activity_{worker_, clock_};
};

TEST_F(ActivityTest, AWorkerWithoutTasksIsIdle) {
  clock_.advance(seconds(100));
  EXPECT_THAT(metrics_.text(), AllOf(HasSubstr("mimicfleet_worker_stage{stage=\"idle\"} 1\n"),
                                     HasSubstr("mimicfleet_worker_stage{stage=\"denoise\"} 0\n"),
                                     HasSubstr("mimicfleet_worker_tasks_running 0\n"),
                                     HasSubstr("mimicfleet_worker_busy_seconds_total 0\n")));
}

TEST_F(ActivityTest, EachTaskIsInItsStage) {
  activity_.started(attempt(1));
  activity_.started(attempt(2));
  in_stage(1, "preprocess");
  in_stage(1, "denoise");
  EXPECT_THAT(metrics_.text(), AllOf(HasSubstr("mimicfleet_worker_stage{stage=\"idle\"} 0\n"),
                                     HasSubstr("mimicfleet_worker_stage{stage=\"queued\"} 1\n"),
                                     HasSubstr("mimicfleet_worker_stage{stage=\"preprocess\"} 0\n"),
                                     HasSubstr("mimicfleet_worker_stage{stage=\"denoise\"} 1\n"),
                                     HasSubstr("mimicfleet_worker_tasks_running 2\n")));
}

TEST_F(ActivityTest, BusySecondsCountWhileAnyTaskIsWorkedOnAlsoBetweenScrapes) {
  activity_.started(attempt(1));
  clock_.advance(seconds(5));  // it waits
  in_stage(1, "denoise");
  clock_.advance(seconds(7));
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_worker_busy_seconds_total 7\n"));
  activity_.started(attempt(2));
  in_stage(2, "mux");
  clock_.advance(seconds(3));
  activity_.ended(attempt(1));
  clock_.advance(seconds(1));
  activity_.ended(attempt(2));
  clock_.advance(seconds(50));
  EXPECT_THAT(metrics_.text(), AllOf(HasSubstr("mimicfleet_worker_busy_seconds_total 11\n"),
                                     HasSubstr("mimicfleet_worker_stage{stage=\"idle\"} 1\n")));
}

TEST_F(ActivityTest, WhatComesAfterTheEndIsPassedOver) {
  activity_.started(attempt(1));
  activity_.ended(attempt(1));
  in_stage(1, "mux");
  EXPECT_THAT(metrics_.text(), HasSubstr("mimicfleet_worker_tasks_running 0\n"));
}

}  // namespace
}  // namespace mimicfleet::worker
