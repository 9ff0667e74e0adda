#include "coordinator/server/selector.h"

#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

TEST(Selector, UnderstandsNumbersRangesLastAndAll) {
  EXPECT_EQ(parse_selector("7", 9)->first, 7U);
  EXPECT_EQ(parse_selector("2-5", 9)->last, 5U);
  EXPECT_EQ(parse_selector("last", 9)->first, 9U);
  EXPECT_TRUE(parse_selector("all", 9)->all);
}

TEST(Selector, RefusesAnythingElse) {
  for (const char* text : {"", "-", "5-2", "x", "1-", "-3", "1-2-3", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_selector(text, 9).ok()) << text;
  }
}

}  // namespace
}  // namespace mimicfleet::coordinator
