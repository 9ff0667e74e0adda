#include "worker/runner/task_context.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::runner {
namespace {

using ::testing::SizeIs;

TEST(TaskContext, AStageIsWarmOnlyIfAllOfItWas) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.add_time("preprocess", 1, true);
  context.add_time("clip", 0.5, true);
  context.add_time("preprocess", 2, false);
  const auto timings = context.timings();
  ASSERT_THAT(timings, SizeIs(2));
  EXPECT_EQ(timings[0].stage, "preprocess");
  EXPECT_EQ(timings[0].seconds, 3);
  EXPECT_FALSE(timings[0].warm);
  EXPECT_TRUE(timings[1].warm);
}

TEST(TaskContext, AStageThatDoesNotFinishHasNoTime) {
  std::vector<jobs::TaskProgress> told;
  TaskContext context({new_id<jobs::TaskId>(), 2},
                      [&](const auto& progress) { told.push_back(progress); });
  { const StageTimer failed(context, "clip"); }
  StageTimer done(context, "denoise");
  context.progress("denoise", 1, 4);
  done.finish();
  ASSERT_THAT(context.timings(), SizeIs(1));
  EXPECT_EQ(context.timings()[0].stage, "denoise");
  ASSERT_THAT(told, SizeIs(3));
  EXPECT_EQ(told[0].stage, "clip");
  EXPECT_EQ(told[2].attempt, 2);
  EXPECT_EQ(told[2].step, 1);
  EXPECT_EQ(told[2].steps, 4);
}

TEST(TaskContext, WhatADiskRanOutOfIsTheHostsFailureAndTooLittleMemoryOfADeviceIsNot) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  const Status memory(StatusCode::kResourceExhausted, "out of device memory");
  EXPECT_TRUE(context.written(Status()).ok());
  EXPECT_FALSE(context.is_of_host(memory));
  const Status full(StatusCode::kResourceExhausted, "a.mp4: no space left");
  EXPECT_EQ(context.written(full), full);
  EXPECT_TRUE(context.is_of_host(full));
  EXPECT_FALSE(context.is_of_host(Status(StatusCode::kBadInput, "b.mp4: is no video")))
      << "it ended otherwise";
  EXPECT_FALSE(context.is_of_host(Status()));
  context.start_over();
  EXPECT_FALSE(context.is_of_host(memory));
}

TEST(TaskContext, RemembersHowEachFeatureWasComeByAndWhatWasComputed) {
  using jobs::FeatureKind;
  using jobs::FeatureOutcome;
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.add_feature({FeatureKind::kKeypoints, FeatureOutcome::kMiss, 7});
  context.add_feature({FeatureKind::kVaeLatent, FeatureOutcome::kHit, 8, 0.5, true});
  context.feature_made(FeatureKind::kKeypoints, 2.5, true);
  context.feature_damaged(FeatureKind::kVaeLatent);
  context.count_call("detector");
  context.count_call("detector");
  const auto features = context.features();
  ASSERT_THAT(features, SizeIs(2));
  EXPECT_EQ(features[0].outcome, FeatureOutcome::kMiss);
  EXPECT_EQ(features[0].tag, 7U);
  context.feature_called(FeatureKind::kKeypoints, 9);
  EXPECT_EQ(context.features()[0].tag, 9U);
  EXPECT_EQ(features[0].made_seconds, 2.5);
  EXPECT_TRUE(features[0].kept);
  EXPECT_EQ(features[1].outcome, FeatureOutcome::kDamaged);
  EXPECT_FALSE(features[1].kept);
  EXPECT_EQ(context.calls(), (std::map<std::string, std::uint32_t>{{"detector", 2}}));
}

TEST(TaskContext, AnAttemptThatStartsOverHasToldNothing) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.add_time("preprocess", 1, false);
  context.add_feature({jobs::FeatureKind::kKeypoints, jobs::FeatureOutcome::kMiss, 7});
  context.count_call("detector");
  context.warn("a warning");
  context.add_transferred(5);
  context.add_lost_input(sha256("lost"));
  context.start_over();
  EXPECT_TRUE(context.timings().empty() && context.features().empty() && context.calls().empty());
  EXPECT_TRUE(context.warnings().empty() && context.lost_inputs().empty());
  EXPECT_EQ(context.transferred_bytes(), 0U);
}

TEST(TaskContext, ALeaseThatNobodySpeaksOfLasts) {
  const TaskContext context({}, [](const jobs::TaskProgress&) {});
  EXPECT_TRUE(context.hold_lease().ok());
}

TEST(TaskContext, ALeaseThatHasRunOutIsWaitedForUntilItIsConfirmedAnew) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.confirm_lease(SteadyClock().now() - std::chrono::seconds(1));
  auto held = std::async(std::launch::async, [&] { return context.hold_lease(); });
  context.confirm_lease(SteadyClock().now() + std::chrono::hours(1));
  EXPECT_TRUE(held.get().ok());
}

TEST(TaskContext, ALeaseThatIsGivenAwayIsNotHeldAlsoBeforeItHasRunOut) {
  TaskContext waits({}, [](const jobs::TaskProgress&) {});
  waits.confirm_lease(Instant::min());
  auto held = std::async(std::launch::async, [&] { return waits.hold_lease(); });
  waits.cancel();
  EXPECT_EQ(held.get().code(), StatusCode::kCancelled);
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.confirm_lease(Instant::max());
  context.cancel();
  EXPECT_EQ(context.hold_lease().code(), StatusCode::kCancelled);
}

TEST(TaskContext, WhatEndsAWaitIsCalledOnceWhileItIsWanted) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  int unwanted = 0;
  int wanted = 0;
  int late = 0;
  {
    const auto stop = context.on_cancel([&] { ++unwanted; });
  }
  auto first = context.on_cancel([&] { ++wanted; });
  const auto moved = std::move(first);
  context.cancel();
  context.cancel();
  const auto after = context.on_cancel([&] { ++late; });
  EXPECT_EQ(unwanted, 0);
  EXPECT_EQ(wanted, 1);
  EXPECT_EQ(late, 1);
}

TEST(TaskContext, SavedSecondsOfAStageAddUp) {
  TaskContext context({}, [](const jobs::TaskProgress&) {});
  context.add_time("preprocess", 1, true, 0.5);
  context.add_time("preprocess", 1, false, 0.25);
  ASSERT_THAT(context.timings(), SizeIs(1));
  EXPECT_EQ(context.timings()[0].saved_seconds, 0.75);
  EXPECT_FALSE(context.timings()[0].warm);
}

}  // namespace
}  // namespace mimicfleet::runner
