// What happens to a cache whose files were damaged: a damaged entry is a miss, deleted and counted,
// the others stay, and nothing wrong is ever handed out.
#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/worker/cache/cache_test_base.h"

namespace mimicfleet::cache {
namespace {

namespace fs = std::filesystem;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::size_t kBytes = 20'000;
constexpr int kEntries = 8;

class DamagedCacheTest : public CacheTest {
 protected:
  void fill() {
    const auto cache = open();
    for (int number = 0; number < kEntries; ++number) put(*cache, number, kBytes);
  }
  std::vector<fs::path> files(const std::string& suffix) const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const std::string name = entry.path().filename();
      if (entry.is_regular_file() && entry.file_size() > 0 &&
          name.find(suffix) != std::string::npos) {
        found.push_back(entry.path());
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static void flip(const fs::path& path, std::uintmax_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  // Reads all entries and returns how many requests were reported as damaged.
  long damages(FeatureCache& cache) {
    outcomes_.clear();
    for (int number = 0; number < kEntries; ++number) has(cache, number, kBytes);
    return std::count(outcomes_.begin(), outcomes_.end(), Outcome::kDamaged);
  }
};

TEST_F(DamagedCacheTest, AFlippedByteInAnEntryIsCountedOnceAndTheOthersStay) {
  fill();
  const auto blobs = files(".blob");
  ASSERT_FALSE(blobs.empty());
  flip(blobs[0], fs::file_size(blobs[0]) / 2);
  const auto cache = open();
  EXPECT_EQ(damages(*cache), 1);
  EXPECT_EQ(std::count(outcomes_.begin(), outcomes_.end(), Outcome::kHit), kEntries - 1);
  EXPECT_EQ(damages(*cache), 0) << "it was deleted";
  for (int number = 0; number < kEntries; ++number) put(*cache, number, kBytes);
  damages(*cache);
  EXPECT_THAT(outcomes_, Each(Outcome::kHit));
}

TEST_F(DamagedCacheTest, WhereverAByteIsFlippedNothingWrongIsHandedOutAndTheCacheWorksAgain) {
  fill();
  const fs::path whole = folder_ + ".whole";
  fs::copy(folder_, whole, fs::copy_options::recursive);
  for (const fs::path& file : files("")) {
    const auto size = fs::file_size(file);
    for (const auto at : {size / 7, size / 2, size - 1}) {
      SCOPED_TRACE(file.filename().string() + " at " + std::to_string(at));
      flip(file, at);
      {
        const auto cache = open();
        damages(*cache);  // checks the payloads of hits
        put(*cache, 100, kBytes);
        EXPECT_TRUE(has(*cache, 100, kBytes));
      }
      fs::remove_all(folder_);
      fs::copy(whole, folder_, fs::copy_options::recursive);
    }
  }
  fs::remove_all(whole);
}

TEST_F(DamagedCacheTest, ADatabaseThatDoesNotOpenStartsAnewAndCountsAsOneDamage) {
  fill();
  for (const auto& file : files("CURRENT")) std::ofstream(file, std::ios::trunc) << "nonsense";
  const auto cache = open();
  EXPECT_EQ(damages(*cache), 1);
  put(*cache, 1, kBytes);
  EXPECT_TRUE(has(*cache, 1, kBytes));
}

TEST_F(DamagedCacheTest, ALogOfAKilledWorkerThatIsDamagedLosesTheNewestEntriesOnly) {
  const fs::path copy = folder_ + ".copy";
  {
    const auto cache = open();
    put(*cache, 0, kBytes);
    put(*cache, 1, kBytes);
    fs::copy(folder_, copy, fs::copy_options::recursive);  // as kill -9 leaves it
  }
  fs::remove_all(folder_);
  fs::rename(copy, folder_);
  const auto logs = files(".log");
  ASSERT_EQ(logs.size(), 1U);
  flip(logs[0], fs::file_size(logs[0]) - kBytes / 2);
  const auto cache = open();
  EXPECT_TRUE(has(*cache, 0, kBytes));
  EXPECT_FALSE(has(*cache, 1, kBytes));
  EXPECT_THAT(outcomes_, ElementsAre(Outcome::kHit, Outcome::kDamaged));
}

TEST_F(DamagedCacheTest, AFileThatIsGoneCostsEntriesAndNothingElse) {
  fill();
  for (const auto& blob : files(".blob")) fs::remove(blob);
  const auto cache = open();
  EXPECT_GE(damages(*cache), 1);
  put(*cache, 1, kBytes);
  EXPECT_TRUE(has(*cache, 1, kBytes));
}

}  // namespace
}  // namespace mimicfleet::cache
