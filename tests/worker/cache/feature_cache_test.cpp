#include "worker/cache/feature_cache.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

const Digest kKey = sha256("a key");
const Digest kOther = sha256("another key");

class FeatureCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "features.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FeatureCache> open() {
    auto cache = FeatureCache::open(folder_, "cpu",
                                    [this](EntryKind, Outcome outcome) { outcomes_.push_back(outcome); });
    EXPECT_TRUE(cache.ok()) << cache.status();
    return std::move(cache).value();
  }

  // Changes bytes in the middle of every file of the database that is longer than `bytes`.
  void damage_files_longer_than(std::uintmax_t bytes) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      if (!entry.is_regular_file() || entry.file_size() <= bytes) continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
      file << "damaged";
    }
  }

  std::string folder_;
  std::vector<Outcome> outcomes_;
};

TEST_F(FeatureCacheTest, WhatWasPutIsThereForTheNextProcess) {
  open()->put(EntryKind::kKeypoints, kKey, "payload");
  const auto cache = open();
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), "payload");
  EXPECT_EQ(cache->get(EntryKind::kVaeLatent, kKey), std::nullopt);
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kOther), std::nullopt);
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kHit, Outcome::kMiss, Outcome::kMiss));
}

TEST_F(FeatureCacheTest, WorkersThatAreGivenTheSameFolderDoNotShareADatabase) {
  const auto first = open();
  const auto second = open();
  first->put(EntryKind::kKeypoints, kKey, "payload");
  EXPECT_EQ(second->get(EntryKind::kKeypoints, kKey), std::nullopt);
  EXPECT_THAT(second->folder(), EndsWith("/worker-cpu-2"));
}

TEST_F(FeatureCacheTest, ADamagedLogLosesEntriesButNothingElse) {
  open()->put(EntryKind::kKeypoints, kKey, std::string(100'000, 'x'));
  damage_files_longer_than(50'000);
  const auto cache = open();
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), std::nullopt);
  cache->put(EntryKind::kKeypoints, kKey, "payload");
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), "payload");
}

TEST_F(FeatureCacheTest, ADamagedEntryIsCountedAndGoneAndTheOthersStay) {
  {
    const auto cache = open();
    cache->put(EntryKind::kKeypoints, kOther, std::string(50'000, 'y'));
    cache->put(EntryKind::kKeypoints, kKey, std::string(200'000, 'x'));
  }
  open();  // turns the log into a table
  damage_files_longer_than(100'000);
  const auto cache = open();
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), std::nullopt);
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kOther), std::string(50'000, 'y'));
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), std::nullopt);
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kDamaged, Outcome::kHit, Outcome::kMiss));
  cache->put(EntryKind::kKeypoints, kKey, "payload");
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), "payload");
}

TEST_F(FeatureCacheTest, ADatabaseThatDoesNotOpenStartsAnew) {
  const std::string features = open()->folder() + "/features";
  std::ofstream(features + "/CURRENT", std::ios::trunc) << "nonsense";
  const auto cache = open();
  cache->put(EntryKind::kKeypoints, kKey, "payload");
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, kKey), "payload");
}

}  // namespace
}  // namespace mimicfleet::cache
