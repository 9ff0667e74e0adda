#include "common/files/stand_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

using ::testing::HasSubstr;

TEST(StandIn, IsToldFromAFile) {
  EXPECT_EQ(stand_in_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            StandIn::kLfsPointer);
  for (const char* page :
       {"<!DOCTYPE html><html>", "<!doctype HTML PUBLIC>", "\n  <HTML lang=de>",
        "\xef\xbb\xbf<html>", "<head><title>",
        "<?xml version=\"1.0\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\">"}) {
    EXPECT_EQ(stand_in_of(page), StandIn::kWebPage) << page;
  }
  for (const char* other :
       {"", "<", "<svg>", "<?xml version=\"1.0\"?><svg>", "version 2", "PK\x03\x04"}) {
    EXPECT_EQ(stand_in_of(other), StandIn::kNone) << other;
  }
}

TEST(StandIn, HasARemedy) {
  EXPECT_THAT(why_stand_in(StandIn::kLfsPointer), HasSubstr("git lfs pull"));
  EXPECT_THAT(why_stand_in(StandIn::kWebPage), HasSubstr("download it again"));
  EXPECT_EQ(why_stand_in(StandIn::kNone), "");
}

}  // namespace
}  // namespace mimicfleet
