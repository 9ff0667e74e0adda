#include "common/config/byte_size.h"

#include <gtest/gtest.h>

namespace mimicfleet::config {
namespace {

TEST(ByteSize, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(parse_byte_size("4096").value(), 4096U);
  EXPECT_EQ(parse_byte_size("500M").value(), 500'000'000U);
  EXPECT_EQ(parse_byte_size("20GB").value(), 20'000'000'000U);
  EXPECT_EQ(parse_byte_size("1.5t").value(), 1'500'000'000'000U);
  EXPECT_EQ(parse_byte_size("7kb").value(), 7000U);
  EXPECT_EQ(parse_byte_size("12B").value(), 12U);
}

TEST(ByteSize, AnythingElseIsRefusedAndSaysWhatToWrite) {
  for (const char* text :
       {"", "G", "-1G", "0", "0.4", "10%", "1e9", "5GiB", "nan", "inf", "9999999T", "1 G", "5M "}) {
    const auto size = parse_byte_size(text);
    EXPECT_FALSE(size.ok()) << text;
    EXPECT_NE(size.status().message().find("20G"), std::string::npos);
  }
}

}  // namespace
}  // namespace mimicfleet::config
