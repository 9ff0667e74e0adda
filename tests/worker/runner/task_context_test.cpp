#include "worker/runner/task_context.h"

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
  TaskContext context({new_id<jobs::TaskId>(), 2}, [&](const auto& progress) { told.push_back(progress); });
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

}  // namespace
}  // namespace mimicfleet::runner
