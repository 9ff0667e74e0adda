#include "common/media/reading.h"

#include <gtest/gtest.h>

namespace mimicfleet::media {
namespace {

TEST(Reading, SurvivesTheWayAsText) {
  Reading reading;
  EXPECT_EQ(reading.text(), "");
  reading.add(Step::kTones);
  reading.add(Step::kUpright);
  EXPECT_EQ(reading.text(), "upright.1 tones.1");
  EXPECT_EQ(Reading::parse(reading.text()), reading);
  EXPECT_EQ(Reading::parse(""), Reading::original());
  EXPECT_EQ(Reading::parse(Reading::viewer().text()), Reading::viewer());
}

TEST(Reading, OfAnotherVersionIsNotUnderstood) {
  for (const char* text : {"upright.2", "upright", "square.1  tones.1", " ", "square.1,tones.1"}) {
    EXPECT_FALSE(Reading::parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace mimicfleet::media
