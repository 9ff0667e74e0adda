#include "worker/cache/lru.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class LruTest : public ::testing::Test {
 protected:
  void use(const std::string& name, std::uint64_t bytes) {
    recency_.note(name, {recency_.next_sequence(), bytes, 1});
  }
  std::vector<std::string> newest(std::size_t count) const {
    std::vector<std::string> names;
    recency_.newest_first([&](const std::string& name, const Use&) {
      names.push_back(name);
      return names.size() < count;
    });
    return names;
  }
  Lru recency_;
};

TEST_F(LruTest, EachKindIsCounted) {
  const auto name = [](jobs::FeatureKind kind, char key) {
    EntryName of_kind{kind, {}, "cpu"};
    of_kind.key.bytes[0] = static_cast<std::uint8_t>(key);
    return of_kind.bytes();
  };
  using Kind = jobs::FeatureKind;
  use(name(Kind::kKeypoints, 'a'), 10);
  use(name(Kind::kKeypoints, 'b'), 20);
  use(name(Kind::kVaeLatent, 'a'), 5);
  use(name(static_cast<Kind>(99), 'a'), 7);
  use(name(Kind::kKeypoints, 'a'), 30);
  recency_.forget(name(Kind::kKeypoints, 'b'));
  const auto& sizes = recency_.by_kind();
  EXPECT_EQ(sizes.at(Kind::kKeypoints).bytes, 30U);
  EXPECT_EQ(sizes.at(Kind::kKeypoints).entries, 1U);
  EXPECT_EQ(sizes.at(Kind::kVaeLatent).bytes, 5U);
  EXPECT_EQ(sizes.at(std::nullopt).bytes, 7U);
}

TEST_F(LruTest, WhatWasUnusedForLongestGoesFirst) {
  use("a", 10);
  use("b", 10);
  use("c", 10);
  use("a", 10);
  EXPECT_EQ(recency_.bytes(), 30U);
  EXPECT_THAT(recency_.beyond(30), IsEmpty());
  EXPECT_THAT(recency_.beyond(29), ElementsAre("b"));
  EXPECT_THAT(recency_.beyond(10), ElementsAre("b", "c"));
  EXPECT_THAT(recency_.beyond(0), ElementsAre("b", "c", "a"));
  EXPECT_THAT(newest(2), ElementsAre("a", "c"));
}

TEST_F(LruTest, AReplacedEntryCountsOnceAndAForgottenOneNotAtAll) {
  use("a", 10);
  use("a", 25);
  EXPECT_EQ(recency_.bytes(), 25U);
  EXPECT_EQ(recency_.size(), 1U);
  recency_.forget("a");
  recency_.forget("never there");
  EXPECT_EQ(recency_.bytes(), 0U);
  EXPECT_EQ(recency_.find("a"), nullptr);
}

TEST_F(LruTest, TwoEntriesThatClaimOneUseAreNotBothKept) {
  recency_.note("a", {7, 10, 1});
  recency_.note("b", {7, 10, 1});
  EXPECT_EQ(recency_.size(), 1U);
  EXPECT_EQ(recency_.bytes(), 10U);
  EXPECT_EQ(recency_.next_sequence(), 8U);
}

}  // namespace
}  // namespace mimicfleet::cache
