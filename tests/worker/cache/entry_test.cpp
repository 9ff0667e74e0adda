#include "worker/cache/entry.h"

#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

const Digest kKey = sha256("a key");

TEST(CacheEntry, ThePayloadComesBackAsItWas) {
  for (const std::string& payload : {std::string(), std::string("x"), std::string(100'000, '\xff')}) {
    const std::string bytes = encode_entry(EntryKind::kKeypoints, kKey, payload);
    const auto decoded = decode_entry(EntryKind::kKeypoints, kKey, bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, payload);
  }
}

TEST(CacheEntry, TheLayoutIsThatOfTheDocument) {
  const std::string bytes = encode_entry(EntryKind::kKeypoints, kKey, "abc");
  ASSERT_EQ(bytes.size(), 15);
  EXPECT_EQ(bytes.substr(0, 4), "MFC1");
  EXPECT_EQ(bytes.substr(12), "abc");
}

TEST(CacheEntry, EveryFlippedBitIsFound) {
  const std::string bytes = encode_entry(EntryKind::kKeypoints, kKey, "some payload");
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(decode_entry(EntryKind::kKeypoints, kKey, damaged).ok()) << bit;
  }
}

TEST(CacheEntry, EveryCutIsFound) {
  const std::string bytes = encode_entry(EntryKind::kKeypoints, kKey, "some payload");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_entry(EntryKind::kKeypoints, kKey, std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.status().code(), StatusCode::kCorruption);
  }
}

TEST(CacheEntry, AnEntryUnderAnotherKeyOrKindIsNotTakenForThisOne) {
  const std::string bytes = encode_entry(EntryKind::kKeypoints, kKey, "payload");
  EXPECT_FALSE(decode_entry(EntryKind::kKeypoints, sha256("another key"), bytes).ok());
  EXPECT_FALSE(decode_entry(EntryKind::kVaeLatent, kKey, bytes).ok());
}

}  // namespace
}  // namespace mimicfleet::cache
