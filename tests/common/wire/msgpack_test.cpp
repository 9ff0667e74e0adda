#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/value.h"

namespace mimicfleet::wire {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

TEST(Msgpack, EveryKindOfValueComesBackAsItWas) {
  Map inner;
  inner.emplace_back("bytes", Value(Bytes{"\0\xff"s}));
  inner.emplace_back("pi", Value(3.25));
  const Value value(Array{Value(), Value(true), Value(std::int64_t{-5}), Value(std::uint64_t{7}),
                          Value("Größe"s), Value(std::move(inner))});
  const auto back = decode(encode(value));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, value);
}

TEST(Msgpack, ABombOfFiveBytesIsRefusedWithoutTakingMemory) {
  EXPECT_FALSE(decode("\xdd\x10\x00\x00\x00"s).ok());
  EXPECT_FALSE(decode("\xdd\xff\xff\xff\xff"s).ok());
  EXPECT_FALSE(decode("\xdf\xff\xff\xff\xff"s).ok());
  EXPECT_FALSE(decode("\xdb\xff\xff\xff\xff"s).ok());
}

TEST(Msgpack, DepthIsLimited) {
  EXPECT_TRUE(decode(std::string(10, '\x91') + "\xc0").ok());
  EXPECT_FALSE(decode(std::string(100000, '\x91') + "\xc0").ok());
}

TEST(Msgpack, TrailingBytesAreRefused) {
  const auto result = decode("\xc0\xc0"s);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.status().message(), HasSubstr("after its end"));
}

TEST(Msgpack, TruncatedDocumentsAreRefused) {
  const std::string whole = encode(Value(Array{Value("text"s), Value(std::uint64_t{300})}));
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(decode(whole.substr(0, length)).ok()) << length;
}

TEST(Msgpack, AKeyTwiceOrAKeyThatIsNoTextIsRefused) {
  EXPECT_FALSE(decode("\x82\xa1k\x01\xa1k\x02"s).ok());
  EXPECT_FALSE(decode("\x81\x01\x01"s).ok());
}

TEST(Msgpack, TextThatIsNotUtf8IsRefused) {
  EXPECT_FALSE(decode("\xa2\xc3\x28"s).ok());
  EXPECT_FALSE(decode("\xa3\xed\xa0\x80"s).ok());  // a surrogate
  EXPECT_FALSE(decode("\xa2\xc0\x80"s).ok());      // overlong
}

TEST(Msgpack, ExtensionTypesAreRefused) { EXPECT_FALSE(decode("\xd4\x01\x00"s).ok()); }

TEST(Msgpack, TheNumberOfValuesIsLimited) {
  Limits limits;
  limits.values = 3;
  EXPECT_TRUE(decode("\x92\x01\x02"s, limits).ok());
  EXPECT_FALSE(decode("\x93\x01\x02\x03"s, limits).ok());
}

}  // namespace
}  // namespace mimicfleet::wire
