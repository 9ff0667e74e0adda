#include "coordinator/client/cached_features.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"
#include "tests/coordinator/client/clip.h"
#include "tests/coordinator/client/fake_server.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CachedFeaturesTest : public ::testing::Test {
 protected:
  CachedFeaturesTest() {
    plan_.models.set = some_models();
    plan_.clips = {{clip_in("/out", "done"), "", 4}, {clip_in("/out", "new"), "not made yet", 0}};
    const auto& clip = plan_.clips[1].plan;
    keys_ = jobs::feature_keys(clip.video.digest, clip.reference.digest, plan_.models.set,
                               clip.parameters);
  }
  RunPlan plan_;
  jobs::FeatureKeys keys_;
};

TEST_F(CachedFeaturesTest, AServerSaysWhatItsWorkersHoldOfClipsThatHaveToRun) {
  FakeServer server;
  server.on<jobs::FeatureQuery>([&](const jobs::FeatureQuery& query) {
    EXPECT_EQ(query.tags.size(), 5U);
    return jobs::FeatureHolders{
        {{jobs::feature_tag(keys_.keypoints), 2.5}, {jobs::feature_tag(keys_.vae_latent), 0.5}}};
  });
  auto connection = Connection::open(server.start(), nullptr);
  ASSERT_TRUE(note_cached_features(*connection, {}, plan_).ok());
  EXPECT_EQ(plan_.cached->wanted, 5U);
  EXPECT_EQ(plan_.cached->held, 2U);
  EXPECT_EQ(plan_.cached->worth_seconds, 3);
  EXPECT_THAT(plan_.clips[1].cached, ElementsAre("keypoints", "vae_latent"));
  EXPECT_THAT(plan_.clips[0].cached, IsEmpty());
}

TEST_F(CachedFeaturesTest, WithoutAServerItIsReadFromWhatWorkersLeft) {
  TemporaryFolder folder;
  note_cached_features(folder.path(), {}, plan_);
  EXPECT_FALSE(plan_.cached) << "nothing is known";
  put(folder, "worker-cpu/held",
      "nonsense\n\n" + fmt::format("{:016x} 1.250\n{:016x}\n",
                                   jobs::feature_tag(keys_.clip_embedding),
                                   jobs::feature_tag(keys_.keypoints)));
  put(folder, "worker-cuda-0/held",
      fmt::format("{:016x} 4.000\n", jobs::feature_tag(keys_.reference_image)));
  note_cached_features(folder.path(), {}, plan_);
  ASSERT_TRUE(plan_.cached);
  EXPECT_EQ(plan_.cached->held, 2U);
  EXPECT_EQ(plan_.cached->worth_seconds, 5.25);
  EXPECT_THAT(plan_.clips[1].cached, ElementsAre("reference_image", "clip_embedding"));
}

TEST_F(CachedFeaturesTest, WhatTheJobWouldNotTakeIsNotCounted) {
  TemporaryFolder folder;
  put(folder, "worker-cpu/held",
      fmt::format("{:016x} 1.250\n", jobs::feature_tag(keys_.clip_embedding)));
  note_cached_features(folder.path(), {true, false, false}, plan_);
  EXPECT_EQ(plan_.cached->wanted, 3U);
  EXPECT_EQ(plan_.cached->held, 0U);
}

}  // namespace
}  // namespace mimicfleet::coordinator
