#include "coordinator/client/cache_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CacheBenchmarkTest : public ::testing::Test {
 protected:
  static jobs::TaskInfo encode(double preprocess, bool warm) {
    jobs::TaskInfo task;
    task.state = jobs::TaskState::kDone;
    task.result.stages = {{"load", 9, false},
                          {"preprocess", preprocess, warm},
                          {"draw", 1, false},
                          {"denoise", 5, false}};
    task.result.features = {{jobs::FeatureKind::kKeypoints,
                             warm ? jobs::FeatureOutcome::kHit : jobs::FeatureOutcome::kUnasked}};
    if (!warm) task.result.calls = {{"video_decode", 1}, {"detector", 4}};
    return task;
  }
  static jobs::TaskInfo decode(const std::string& content) {
    jobs::TaskInfo task;
    task.state = jobs::TaskState::kDone;
    task.result.stages = {{"vae_decode", 2, false}, {"mux", 0.5, false}};
    task.result.video = jobs::FileRef{"x.mp4", sha256(content), 1};
    return task;
  }
  CacheBenchmarkTest() {
    benchmark_.cold.add("a", encode(4, false));
    benchmark_.cold.add("a", decode("video"));
    benchmark_.warm.add("a", encode(0.1, true));
  }
  CacheBenchmark benchmark_;
};

TEST_F(CacheBenchmarkTest, PutsBothPassesSideBySide) {
  benchmark_.warm.add("a", decode("video"));
  benchmark_.compare();
  EXPECT_TRUE(benchmark_.same_outputs);
  EXPECT_NEAR(benchmark_.speed_up.at("preprocess"), 40, 1e-9);
  EXPECT_NEAR(benchmark_.speed_up.at("pipeline"), 1, 1e-9);
  EXPECT_NEAR(benchmark_.cold.total_seconds, 12.5, 1e-9) << "without loading";
  const std::string table = benchmark_table(benchmark_);
  EXPECT_THAT(table, AllOf(HasSubstr("preprocess                 4.000       0.100     40.0x\n"),
                           HasSubstr("pipeline                   7.000       7.000      1.0x\n"),
                           HasSubstr("keypoints                 0 of 1      1 of 1\n"),
                           HasSubstr("detector                       4           0\n"),
                           HasSubstr("1 videos, equal to the byte in both passes\n")));
}

TEST_F(CacheBenchmarkTest, AnotherVideoInTheWarmPassIsNamed) {
  benchmark_.warm.add("a", decode("another video"));
  benchmark_.compare();
  EXPECT_FALSE(benchmark_.same_outputs);
  EXPECT_THAT(benchmark_.different, ElementsAre("a"));
  EXPECT_THAT(benchmark_table(benchmark_),
              AllOf(HasSubstr("different   a"), Not(HasSubstr("equal to the byte"))));
}

TEST_F(CacheBenchmarkTest, AClipThatOnePassDidNotMakeIsNoSuccess) {
  auto failed = decode("");
  failed.state = jobs::TaskState::kFailed;
  failed.result = {};
  failed.error = Status(StatusCode::kBadInput, "a.mp4: has no video stream");
  benchmark_.warm.add("a", failed);
  benchmark_.compare();
  EXPECT_FALSE(benchmark_.same_outputs);
  EXPECT_THAT(benchmark_table(benchmark_), HasSubstr("failed      a: a.mp4: has no video stream"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
