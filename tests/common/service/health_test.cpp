#include "common/service/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/service/health_routes.h"
#include "tests/common/http/http_client.h"

namespace mimicfleet::service {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(Health, ALoopThatStopsTurningIsNotAlive) {
  FakeClock clock;
  Health health(clock, "starting");
  clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(health.alive().ok());  // starts: its loop has not begun
  health.turned();
  clock.advance(std::chrono::seconds(29));
  EXPECT_TRUE(health.alive().ok());
  clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(health.alive().message(), "the main loop has not come round for 31 s");
  health.turned();
  EXPECT_TRUE(health.alive().ok());
}

TEST(Health, ReadinessIsToldWithItsReason) {
  FakeClock clock;
  Health health(clock, "starting");
  EXPECT_EQ(health.ready().message(), "starting");
  health.set_ready();
  EXPECT_TRUE(health.ready().ok());
  health.set_not_ready("draining");
  EXPECT_EQ(health.ready().code(), StatusCode::kUnavailable);
  EXPECT_EQ(health.ready().message(), "draining");
}

TEST(Health, RoutesSayOkOrWhyNot) {
  FakeClock clock;
  Health health(clock, "loading models");
  const auto server = http::Server::start("127.0.0.1:0", health_routes(health)).value();
  const auto get = [&](const char* path) { return http::get(server->address(), path); };
  EXPECT_THAT(get("/healthz"), AllOf(HasSubstr("HTTP/1.1 200"), EndsWith("\r\n\r\nok\n")));
  EXPECT_THAT(get("/readyz"), AllOf(HasSubstr("HTTP/1.1 503"), EndsWith("loading models\n")));
  health.set_ready();
  health.turned();
  EXPECT_THAT(get("/readyz"), HasSubstr("HTTP/1.1 200"));
  clock.advance(std::chrono::seconds(31));
  EXPECT_THAT(get("/healthz"),
              AllOf(HasSubstr("HTTP/1.1 503"), EndsWith("has not come round for 31 s\n")));
  EXPECT_THAT(get("/readyz"), HasSubstr("HTTP/1.1 503"));
}

}  // namespace
}  // namespace mimicfleet::service
