#include "worker/cache/feature_cache.h"

#include <sys/mount.h>

#include <fstream>

#include <gmock/gmock.h>

#include "tests/worker/cache/cache_test_base.h"
#include "worker/cache/database.h"

namespace mimicfleet::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::SizeIs;

constexpr std::size_t kEntryBytes = 100'000;
constexpr std::uint64_t kLimit = 4'000'000;

using FeatureCacheTest = CacheTest;

TEST_F(FeatureCacheTest, WhatWasPutIsThereForTheNextProcessWithWhatItCost) {
  EXPECT_TRUE(open()->put(EntryKind::kKeypoints, key(1), {"payload", 2.5}));
  const auto cache = open();
  const auto found = cache->get(EntryKind::kKeypoints, key(1));
  EXPECT_EQ(found.payload, "payload");
  EXPECT_EQ(found.made_seconds, 2.5);
  EXPECT_EQ(cache->get(EntryKind::kVaeLatent, key(1)).outcome, Outcome::kMiss);
  EXPECT_EQ(cache->get(EntryKind::kKeypoints, key(2)).outcome, Outcome::kMiss);
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kHit, Outcome::kMiss, Outcome::kMiss));
}

TEST_F(FeatureCacheTest, EntriesOfAnotherNumericsClassAreNeitherSeenNorLost) {
  put(*open(0, "one"), 1, 10);
  {
    const auto other = open(0, "other");
    EXPECT_FALSE(has(*other, 1, 10));
    EXPECT_THAT(other->held(10), SizeIs(0));
    put(*other, 1, 10);
  }
  EXPECT_TRUE(has(*open(0, "one"), 1, 10));
}

TEST_F(FeatureCacheTest, WorkersThatAreGivenTheSameFolderDoNotShareADatabase) {
  const auto first = open();
  const auto second = open();
  put(*first, 1, 10);
  EXPECT_FALSE(has(*second, 1, 10));
  EXPECT_THAT(second->folder(), EndsWith("/worker-cpu-2"));
}

TEST_F(FeatureCacheTest, TellsWhatItHoldsTheLastUsedFirst) {
  const auto cache = open();
  for (const int number : {1, 2, 3}) put(*cache, number, 10);
  EXPECT_TRUE(has(*cache, 1, 10));
  const auto held = cache->held(2);
  ASSERT_THAT(held, SizeIs(2));
  EXPECT_EQ(held[0].tag, jobs::feature_tag(key(1)));
  EXPECT_EQ(held[0].made_seconds, 1);
  EXPECT_EQ(held[1].tag, jobs::feature_tag(key(3)));
}

TEST_F(FeatureCacheTest, LeavesAListOfWhatItHeldWhenItEnds) {
  put(*open(), 3, 10);
  std::ifstream list(folder_ + "/worker-cpu/held");
  std::string tag;
  double seconds = 0;
  list >> tag >> seconds;
  EXPECT_EQ(tag.size(), 16U);
  EXPECT_EQ(std::stoull(tag, nullptr, 16), jobs::feature_tag(key(3)));
  EXPECT_EQ(seconds, 3);
}

TEST_F(FeatureCacheTest, BeyondTheLimitTheEntriesUnusedForLongestGoAndTheirSpaceComesBack) {
  const auto cache = open(kLimit);
  for (int number = 0; number < 200; ++number) {  // 20 MB
    put(*cache, number, kEntryBytes);
    EXPECT_TRUE(has(*cache, 0, kEntryBytes)) << "used all the time";
  }
  cache->settle();
  EXPECT_TRUE(has(*cache, 199, kEntryBytes));
  EXPECT_FALSE(has(*cache, 100, kEntryBytes));
  EXPECT_THAT(cache->held(1000).size() * kEntryBytes,
              ::testing::AllOf(::testing::Le(kLimit), ::testing::Ge(kLimit * 8 / 10)));
  EXPECT_LT(cache->disk_bytes(), kLimit * 3 / 2);
}

TEST_F(FeatureCacheTest, TellsWhatItsEntriesComeToAndHowManyWereRemoved) {
  std::uint64_t bytes = 1;
  std::uint64_t entries = 1;
  std::size_t evicted = 0;
  const CacheOwner owner{"cpu", "class", [&](const SizeByKind& sizes, std::size_t gone) {
                           bytes = 0;
                           entries = 0;
                           for (const auto& [kind, size] : sizes) {
                             bytes += size.bytes;
                             entries += size.entries;
                           }
                           evicted += gone;
                         }};
  const auto cache =
      FeatureCache::open({folder_, 10 * kEntryBytes}, owner, [](EntryKind, Outcome) {});
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_EQ(bytes, 0U);
  for (int number = 0; number < 30; ++number) put(**cache, number, kEntryBytes);
  const std::size_t held = (*cache)->held(1000).size();
  EXPECT_EQ(evicted, 30 - held);
  EXPECT_EQ(entries, held);
  EXPECT_GE(bytes, held * kEntryBytes);
  EXPECT_LE(bytes, 10 * kEntryBytes);
}

TEST_F(FeatureCacheTest, AnotherLimitHoldsFromTheNextStartOn) {
  {
    const auto cache = open(kLimit);
    for (int number = 0; number < 30; ++number) put(*cache, number, kEntryBytes);
  }
  const auto cache = open(kLimit / 4);
  cache->settle();
  EXPECT_LE(cache->held(1000).size(), 10U);
  EXPECT_LT(cache->disk_bytes(), kLimit * 3 / 4);
}

TEST_F(FeatureCacheTest, TheDefaultLimitIsATenthOfTheDiskOrFiftyGigabytes) {
  const auto space = std::filesystem::space(folder_).capacity;
  EXPECT_EQ(default_limit(folder_), std::min<std::uint64_t>(50'000'000'000, space / 10));
}

TEST_F(FeatureCacheTest, WhatEarlierVersionsLeftGoes) {
  std::filesystem::create_directories(folder_ + "/worker-cpu/features");
  std::ofstream(folder_ + "/worker-cpu/features/000004.sst") << "of version 1";
  open();
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/worker-cpu/features"));
}

// Mounting needs root; without it there is no way to make such a disk, and the test says so.
class MountedCacheTest : public CacheTest {
 protected:
  void SetUp() override {
    CacheTest::SetUp();
    mounted_ = ::mount("none", folder_.c_str(), "tmpfs", 0, "size=3m,nr_inodes=200") == 0;
    if (!mounted_) GTEST_SKIP() << "needs the right to mount a file system";
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
    CacheTest::TearDown();
  }
  [[nodiscard]] std::string ballast() const { return folder_ + "/ballast"; }
  void fill_disk() const { std::ofstream(ballast()) << std::string(8'000'000, 'x'); }
  void empty_disk() const { std::filesystem::remove(ballast()); }
  // Puts entries into what is left on the disk.
  static bool is_refused_in_the_end(FeatureCache& cache) {
    bool kept = true;
    for (int number = 2; number < 40; ++number) kept = put(cache, number, kEntryBytes);
    return !kept;
  }
  bool mounted_ = false;
};

// With a large limit it is the log that cannot be written, with a small one the files of entries,
// too.
TEST_F(MountedCacheTest, AFullDiskCostsNewEntriesOnlyUntilThereIsRoomAgain) {
  for (const std::uint64_t limit : {64'000'000, 2'000'000}) {
    SCOPED_TRACE(limit);
    const auto cache = open(limit);
    put(*cache, 1, kEntryBytes);
    fill_disk();
    EXPECT_TRUE(is_refused_in_the_end(*cache));
    EXPECT_TRUE(has(*cache, 1, kEntryBytes));
    empty_disk();
    EXPECT_TRUE(put(*cache, 50, kEntryBytes));
    for (const int number : {1, 50}) EXPECT_TRUE(has(*cache, number, kEntryBytes)) << number;
  }
  const auto later = open(2'000'000);
  for (const int number : {1, 50}) EXPECT_TRUE(has(*later, number, kEntryBytes)) << number;
}

TEST_F(MountedCacheTest, OnADiskThatIsFullAgainAndAgainWritingIsTriedNowAndThen) {
  const auto cache = open(2'000'000);
  put(*cache, 1, kEntryBytes);
  for (const bool at_once : {true, false}) {
    fill_disk();
    EXPECT_TRUE(is_refused_in_the_end(*cache));
    empty_disk();
    EXPECT_EQ(put(*cache, 50, kEntryBytes), at_once);
    EXPECT_TRUE(has(*cache, 1, kEntryBytes));
  }
  clock_->advance(Database::kReopenEvery);
  EXPECT_TRUE(put(*cache, 60, kEntryBytes));
  for (const int number : {1, 50, 60}) EXPECT_TRUE(has(*cache, number, kEntryBytes)) << number;
}

TEST_F(MountedCacheTest, WhatCannotBeOpenedAnewIsReadUntilItCan) {
  const auto cache = open(2'000'000);
  put(*cache, 1, kEntryBytes);
  fill_disk();
  EXPECT_TRUE(is_refused_in_the_end(*cache));
  empty_disk();
  const std::string many = folder_ + "/many/";  // files, so that there is room but for another one
  std::filesystem::create_directory(many);
  for (int number = 0; std::ofstream(many + std::to_string(number)).is_open();) ++number;
  EXPECT_FALSE(put(*cache, 50, kEntryBytes));
  EXPECT_TRUE(has(*cache, 1, kEntryBytes));
  std::filesystem::remove_all(many);
  EXPECT_FALSE(put(*cache, 50, kEntryBytes));
  clock_->advance(Database::kReopenEvery);
  EXPECT_TRUE(put(*cache, 50, kEntryBytes));
  for (const int number : {1, 50}) EXPECT_TRUE(has(*cache, number, kEntryBytes)) << number;
}

TEST_F(MountedCacheTest, AReadOnlyDiskIsReadAndNotWritten) {
  put(*open(), 1, kEntryBytes);
  ASSERT_EQ(::mount("none", folder_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=3m"), 0);
  const auto cache = open();
  EXPECT_TRUE(has(*cache, 1, kEntryBytes));
  EXPECT_FALSE(cache->put(EntryKind::kKeypoints, key(2), {"payload", 1}));
  EXPECT_FALSE(has(*cache, 2, 7));
}

TEST_F(MountedCacheTest, AnEmptyReadOnlyDiskIsRefusedInOneLineThatNamesTheFolder) {
  ASSERT_EQ(::mount("none", folder_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=3m"), 0);
  const auto cache = FeatureCache::open({folder_}, {"cpu", "class"}, [](EntryKind, Outcome) {});
  ASSERT_FALSE(cache.ok());
  EXPECT_THAT(cache.status().message(), ::testing::HasSubstr(folder_));
}

}  // namespace
}  // namespace mimicfleet::cache
