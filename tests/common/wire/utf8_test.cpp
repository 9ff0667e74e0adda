#include "common/wire/utf8.h"

#include <gtest/gtest.h>

namespace mimicfleet::wire {
namespace {

TEST(Utf8, WhatIsNoneIsMadeVisibleAndTheRestIsLeft) {
  EXPECT_EQ(in_utf8("Gr\u00f6\u00dfe.mp4"), "Gr\u00f6\u00dfe.mp4");
  EXPECT_EQ(in_utf8("caf\xe9.mp4"), "caf\\xe9.mp4");
  EXPECT_EQ(in_utf8("\xff"), "\\xff");
  EXPECT_TRUE(is_utf8(in_utf8("\xed\xa0\x80")));
}

}  // namespace
}  // namespace mimicfleet::wire
