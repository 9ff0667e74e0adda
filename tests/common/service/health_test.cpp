#include "common/service/health.h"

#include <gtest/gtest.h>

namespace mimicfleet::service {
namespace {

TEST(Health, ALoopThatStopsTurningIsNotAlive) {
  FakeClock clock;
  Health health(clock, std::chrono::seconds(30), "starting");
  clock.advance(std::chrono::seconds(29));
  EXPECT_TRUE(health.alive().ok());
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(health.alive().message(), "the main loop has not come round for 31 s");
  health.turned();
  EXPECT_TRUE(health.alive().ok());
}

TEST(Health, ReadinessIsToldWithItsReason) {
  FakeClock clock;
  Health health(clock, std::chrono::seconds(30), "starting");
  EXPECT_EQ(health.ready().message(), "starting");
  health.set_ready();
  EXPECT_TRUE(health.ready().ok());
  health.set_not_ready("draining");
  EXPECT_EQ(health.ready().code(), StatusCode::kUnavailable);
  EXPECT_EQ(health.ready().message(), "draining");
}

}  // namespace
}  // namespace mimicfleet::service
