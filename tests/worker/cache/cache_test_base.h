#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/fake_clock.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::cache {

// Caches in a folder that goes when the test ends, and what they reported.
class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "features.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FeatureCache> open(std::uint64_t limit_bytes = 0,
                                     const std::string& numerics = "class") {
    auto cache =
        FeatureCache::open({folder_, limit_bytes}, {"cpu", numerics, nullptr, clock_},
                           [this](EntryKind, Outcome outcome) { outcomes_.push_back(outcome); });
    EXPECT_TRUE(cache.ok()) << cache.status();
    return std::move(cache).value();
  }
  static Digest key(int number) { return sha256("key " + std::to_string(number)); }
  // Bytes that no two entries share.
  static std::string payload(int number, std::size_t bytes) {
    std::string text;
    while (text.size() < bytes)
      text += sha256(std::to_string(number) + "." + std::to_string(text.size())).hex();
    return text.substr(0, bytes);
  }
  static bool put(FeatureCache& cache, int number, std::size_t bytes) {
    return cache.put(EntryKind::kKeypoints, key(number), {payload(number, bytes), 1.0 * number});
  }
  static bool has(FeatureCache& cache, int number, std::size_t bytes) {
    const auto found = cache.get(EntryKind::kKeypoints, key(number));
    if (found.outcome == Outcome::kHit) {
      EXPECT_EQ(found.payload, payload(number, bytes)) << number;
    }
    return found.outcome == Outcome::kHit;
  }

  std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>();
  std::string folder_;
  std::vector<Outcome> outcomes_;
};

}  // namespace mimicfleet::cache
