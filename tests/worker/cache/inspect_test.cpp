#include "worker/cache/inspect.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/worker/cache/cache_test_base.h"

namespace mimicfleet::cache {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::size_t kBytes = 30'000;

class InspectTest : public CacheTest {
 protected:
  void fill() {
    const auto cache = open();
    for (int number = 1; number <= 3; ++number) put(*cache, number, kBytes);
    cache->put(EntryKind::kVaeLatent, key(1), {payload(1, kBytes), 4});
    put(*open(0, "another class"), 9,
        kBytes);  // in a second worker's folder: the first one is in use
  }
};

TEST_F(InspectTest, TellsOfEveryWorkersEntriesByKindAndClass) {
  fill();
  const auto reports = inspect(folder_);
  ASSERT_TRUE(reports.ok()) << reports.status();
  ASSERT_THAT(*reports, SizeIs(2));
  const FolderReport& first = reports->at(0);
  EXPECT_EQ(first.trouble, "");
  EXPECT_EQ(first.kinds.at("keypoints").entries, 3U);
  EXPECT_EQ(first.kinds.at("keypoints").made_seconds, 6);
  EXPECT_EQ(first.kinds.at("vae_latent").entries, 1U);
  EXPECT_GE(first.kinds.at("keypoints").bytes, 3 * kBytes);
  EXPECT_EQ(first.classes.at("class"), 4U);
  EXPECT_GE(first.disk_bytes, 4 * kBytes);
  EXPECT_EQ(reports->at(1).classes.at("another class"), 1U);
}

TEST_F(InspectTest, AFolderThatAWorkerUsesIsLookedAt) {
  const auto cache = open();
  put(*cache, 1, kBytes);
  const auto reports = inspect(folder_);
  ASSERT_TRUE(reports.ok()) << reports.status();
  EXPECT_TRUE(reports->at(0).in_use);
  EXPECT_EQ(reports->at(0).trouble, "");
  EXPECT_EQ(reports->at(0).kinds.at("keypoints").entries, 1U);
  put(*cache, 2, kBytes);
  EXPECT_EQ(inspect(folder_)->at(0).kinds.at("keypoints").entries, 2U);
  EXPECT_TRUE(has(*cache, 1, kBytes));
}

TEST_F(InspectTest, AFolderThatAWorkerUsesIsNotChangedAndSaidSo) {
  const auto cache = open();
  put(*cache, 1, kBytes);
  for (const auto& reports : {verify(folder_), clear(folder_)}) {
    ASSERT_TRUE(reports.ok()) << reports.status();
    ASSERT_THAT(*reports, SizeIs(1));
    EXPECT_THAT(reports->at(0).trouble, HasSubstr("a worker uses it now"));
  }
  EXPECT_TRUE(has(*cache, 1, kBytes));
}

TEST_F(InspectTest, VerifyingRemovesWhatIsDamagedAndCountsIt) {
  fill();
  EXPECT_EQ(verify(folder_)->at(0).damaged, 0U);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ + "/worker-cpu")) {
    if (entry.path().extension() != ".blob") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(entry.file_size() / 2));
    file << "damaged";
  }
  const auto found = verify(folder_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->at(0).damaged, 1U);
  EXPECT_EQ(verify(folder_)->at(0).damaged, 0U);
  EXPECT_EQ(inspect(folder_)->at(0).classes.at("class"), 3U);
}

TEST_F(InspectTest, ClearingRemovesEverything) {
  fill();
  const auto cleared = clear(folder_);
  ASSERT_TRUE(cleared.ok()) << cleared.status();
  EXPECT_EQ(cleared->at(0).kinds.at("keypoints").entries, 3U);
  EXPECT_THAT(inspect(folder_)->at(0).kinds, IsEmpty());
  EXPECT_FALSE(has(*open(), 1, kBytes));
}

TEST_F(InspectTest, ADirectoryThatIsNotThereIsSaidSo) {
  EXPECT_EQ(inspect(folder_ + "/nowhere").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(*inspect(folder_), IsEmpty());
}

}  // namespace
}  // namespace mimicfleet::cache
