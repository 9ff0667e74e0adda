#include "common/json/json.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/record.h"

namespace mimicfleet::json {
namespace {

using ::testing::HasSubstr;

TEST(Json, ARecordReadsBackAsItWasWritten) {
  jobs::OutputRecord record;
  record.program = "mimicfleet 0.1.0";
  record.key = sha256("key");
  record.video = {"sub/a.mp4", sha256("video"), 12345};
  record.parameters.guidance_scale = 2.5;
  record.provenance = {{"steps", "flag"}};
  record.stages = {{"denoise", 1.25, false}};
  record.warnings = {"a \"quoted\" name\n"};
  const auto read_back = read<jobs::OutputRecord>(write(record));
  ASSERT_TRUE(read_back.ok()) << read_back.status();
  EXPECT_EQ(write(*read_back), write(record));
  EXPECT_EQ(read_back->key, record.key);
  EXPECT_EQ(read_back->parameters.guidance_scale, 2.5);
  EXPECT_EQ(read_back->warnings, record.warnings);
}

TEST(Json, MembersKeepTheirOrder) {
  const wire::Map map = {{"b", wire::Value(std::uint64_t{1})},
                         {"a", wire::Value(std::int64_t{-2})}};
  EXPECT_EQ(to_text(wire::Value(map)), R"({"b":1,"a":-2})");
  EXPECT_EQ(to_text(wire::Value(map), 2), "{\n  \"b\": 1,\n  \"a\": -2\n}");
}

TEST(Json, NumbersKeepTheirKindAndAllTheirDigits) {
  const auto value = parse("[0, -1, 0.1, 18446744073709551615, 1e3]");
  ASSERT_TRUE(value.ok()) << value.status();
  const wire::Array expected = {
      wire::Value(std::uint64_t{0}), wire::Value(std::int64_t{-1}), wire::Value(0.1),
      wire::Value(std::numeric_limits<std::uint64_t>::max()), wire::Value(1000.0)};
  EXPECT_EQ(*value, wire::Value(expected));
}

TEST(Json, MinusZeroIsTheIntegerThatItIsWrittenAs) {
  const auto value = parse("-0");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*value, wire::Value(std::uint64_t{0}));
  EXPECT_EQ(parse(to_text(*value)).value(), *value);
}

TEST(Json, WhatJsonCannotSayIsWrittenAsNull) {
  EXPECT_EQ(to_text(wire::Value(std::numeric_limits<double>::quiet_NaN())), "null");
  EXPECT_EQ(to_text(wire::Value(wire::Bytes{std::string("\x00\xff", 2)})), "\"00ff\"");
}

TEST(Json, DamagedTextIsRefusedWithItsPosition) {
  for (const char* text :
       {"", "{", "[1,]", "{\"a\":1} x", "{\"a\":1,\"a\":2}", "\"\xff\"", "nul"}) {
    const auto value = parse(text);
    ASSERT_FALSE(value.ok()) << text;
    EXPECT_EQ(value.status().code(), StatusCode::kBadInput) << text;
    EXPECT_THAT(value.status().message(), HasSubstr("malformed JSON")) << text;
  }
}

TEST(Json, WhatPassesALimitIsRefused) {
  wire::Limits limits;
  limits.depth = 3;
  EXPECT_TRUE(parse("[[[]]]", limits).ok());
  EXPECT_FALSE(parse("[[[[]]]]", limits).ok());
  EXPECT_FALSE(parse(std::string(100'000, '['), limits).ok());
  limits.array_size = 2;
  EXPECT_FALSE(parse("[1,2,3]", limits).ok());
  limits.map_size = 1;
  EXPECT_FALSE(parse(R"({"a":1,"b":2})", limits).ok());
  limits.string_bytes = 2;
  EXPECT_FALSE(parse(R"("abc")", limits).ok());
  limits.values = 2;
  EXPECT_FALSE(parse("[1,2]", limits).ok());
}

}  // namespace
}  // namespace mimicfleet::json
