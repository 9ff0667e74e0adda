#include "common/model_root/hub_cache.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::model_root {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kRepository = "models--org--svd/";

TEST(HubCache, TellsHubIdsFromPaths) {
  EXPECT_TRUE(is_hub_id("stabilityai/stable-video-diffusion-img2vid-xt-1-1"));
  for (const auto* path :
       {"models", "/models/svd", "./svd/x", "../svd", "a/b/c", "a/", "/", "a/..", "a b/c"}) {
    EXPECT_FALSE(is_hub_id(path)) << path;
  }
}

TEST(HubCache, TheMainBranchDecidesWhichSnapshot) {
  TemporaryFolder cache;
  put(cache, std::string(kRepository) + "snapshots/aaa/x", "");
  put(cache, std::string(kRepository) + "snapshots/bbb/x", "");
  EXPECT_FALSE(hub_snapshot(cache.path(), "org/svd").ok());
  put(cache, std::string(kRepository) + "refs/main", "bbb\n");
  EXPECT_EQ(*hub_snapshot(cache.path(), "org/svd"), cache / "models--org--svd/snapshots/bbb");
}

TEST(HubCache, AnOnlySnapshotNeedsNoBranch) {
  TemporaryFolder cache;
  put(cache, std::string(kRepository) + "snapshots/aaa/x", "");
  EXPECT_EQ(*hub_snapshot(cache.path(), "org/svd"), cache / "models--org--svd/snapshots/aaa");
}

TEST(HubCache, ABranchFileCannotLeadOutOfTheCache) {
  TemporaryFolder cache;
  put(cache, std::string(kRepository) + "refs/main", "../../..");
  EXPECT_FALSE(hub_snapshot(cache.path(), "org/svd").ok());
}

TEST(HubCache, WhatIsNotThereSaysHowToGetIt) {
  EXPECT_THAT(
      hub_snapshot("/nowhere/hub", "org/svd").status().message(),
      AllOf(HasSubstr("org/svd"), HasSubstr("/nowhere/hub"), HasSubstr("nothing is downloaded"),
            HasSubstr("huggingface-cli download org/svd")));
}

TEST(HubCache, TheCacheFolderIsTheOneThatTheHubLibraryUses) {
  ::setenv("HF_HUB_CACHE", "/a", 1);
  EXPECT_EQ(hub_cache_folder(), "/a");
  ::unsetenv("HF_HUB_CACHE");
  ::setenv("HF_HOME", "/b", 1);
  EXPECT_EQ(hub_cache_folder(), "/b/hub");
  ::unsetenv("HF_HOME");
}

}  // namespace
}  // namespace mimicfleet::model_root
