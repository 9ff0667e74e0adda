#include "worker/cache/entry.h"

#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

const EntryName kName{EntryKind::kKeypoints, sha256("a key"), "libtorch/cpu/fp32/1"};

TEST(CacheEntry, ThePayloadAndItsCostComeBackAsTheyWere) {
  for (const std::string& payload :
       {std::string(), std::string("x"), std::string(100'000, '\xff')}) {
    const std::string bytes = encode_entry(kName, {payload, 12.25});
    const auto decoded = decode_entry(kName, bytes);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->payload, payload);
    EXPECT_EQ(decoded->made_seconds, 12.25);
  }
}

TEST(CacheEntry, TheLayoutIsThatOfTheDocument) {
  const std::string bytes = encode_entry(kName, {"abc", 0});
  ASSERT_EQ(bytes.size(), 23);
  EXPECT_EQ(bytes.substr(0, 4), "MFC2");
  EXPECT_EQ(bytes.substr(12, 8), std::string(8, '\0'));
  EXPECT_EQ(bytes.substr(20), "abc");
  EXPECT_EQ(kName.bytes().substr(0, 2), std::string("\1\0", 2));
  EXPECT_EQ(kName.bytes().substr(34), kName.numerics);
}

TEST(CacheEntry, EveryFlippedBitIsFound) {
  const std::string bytes = encode_entry(kName, {"some payload", 3});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(decode_entry(kName, damaged).ok()) << bit;
  }
}

TEST(CacheEntry, EveryCutIsFound) {
  const std::string bytes = encode_entry(kName, {"some payload", 3});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_entry(kName, std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(decoded.ok()) << size;
    EXPECT_EQ(decoded.status().code(), StatusCode::kCorruption);
  }
}

TEST(CacheEntry, AnEntryUnderAnotherNameIsNotTakenForThisOne) {
  const std::string bytes = encode_entry(kName, {"payload", 3});
  EXPECT_FALSE(decode_entry({kName.kind, sha256("another key"), kName.numerics}, bytes).ok());
  EXPECT_FALSE(decode_entry({EntryKind::kVaeLatent, kName.key, kName.numerics}, bytes).ok());
  EXPECT_FALSE(decode_entry({kName.kind, kName.key, "libtorch/cpu/fp32/2"}, bytes).ok());
}

TEST(CacheEntry, ANameComesBackFromItsBytesAndNonsenseDoesNot) {
  EXPECT_EQ(EntryName::from_bytes(kName.bytes()), kName);
  EXPECT_EQ(EntryName::from_bytes(kName.bytes().substr(0, 33)), std::nullopt);
  EXPECT_EQ(EntryName::from_bytes("\x9" + kName.bytes().substr(1)), std::nullopt);
}

}  // namespace
}  // namespace mimicfleet::cache
