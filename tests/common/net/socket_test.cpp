#include "common/net/socket.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/patience.h"

namespace mimicfleet::net {
namespace {

using std::chrono::milliseconds;

std::optional<Received> wait_for_message(Socket& socket) {
  const std::array<Socket*, 1> sockets = {&socket};
  do {
    if (auto received = socket.receive()) return received;
  } while (wait_readable(sockets, {}, kPatience));
  return std::nullopt;
}

TEST(Socket, ARouterAnswersTheDealerThatAsked) {
  auto router = Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(router.ok());
  auto dealer = Socket::dealer(router->endpoint());
  ASSERT_TRUE(dealer.ok());
  ASSERT_TRUE(dealer->send({"ping"}).ok());
  const auto request = wait_for_message(*router);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->frames, std::vector<std::string>{"ping"});
  ASSERT_TRUE(router->send({"pong", "data"}, request->peer).ok());
  const auto reply = wait_for_message(*dealer);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->frames, (std::vector<std::string>{"pong", "data"}));
}

TEST(Socket, SendingToAPeerThatIsNotThereIsAnError) {
  auto router = Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(router.ok());
  EXPECT_EQ(router->send({"x"}, "nobody").code(), StatusCode::kUnavailable);
}

TEST(Socket, AMessageOfTooManyFramesIsDroppedAndTheNextOneRead) {
  auto router = Socket::router("tcp://127.0.0.1:*", {.frame_bytes = 1 << 20, .frames = 2});
  ASSERT_TRUE(router.ok());
  auto dealer = Socket::dealer(router->endpoint());
  ASSERT_TRUE(dealer.ok());
  ASSERT_TRUE(dealer->send({"1", "2", "3"}).ok());
  ASSERT_TRUE(dealer->send({"short"}).ok());
  const auto received = wait_for_message(*router);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->frames.front(), "short");
}

TEST(Socket, AnAddressInUseIsNamed) {
  auto first = Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(first.ok());
  const auto second = Socket::router(first->endpoint());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(second.status().message().find(first->endpoint()), std::string::npos);
}

TEST(Socket, APortBeyondTheLastOneIsRefusedNotTakenModulo) {
  for (const char* endpoint : {"tcp://127.0.0.1:65536", "tcp://127.0.0.1:99999999999999999999"}) {
    const auto router = Socket::router(endpoint);
    ASSERT_FALSE(router.ok()) << router->endpoint();
    EXPECT_EQ(router.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(router.status().message().find("is not possible: it must be 1 to 65535"),
              std::string::npos);
    EXPECT_FALSE(Socket::dealer(endpoint).ok());
  }
}

TEST(WakeUp, MakesTheWaitEnd) {
  WakeUp wake;
  const std::array<int, 1> fds = {wake.fd()};
  EXPECT_FALSE(wait_readable({}, fds, milliseconds(0)));
  wake.signal();
  EXPECT_TRUE(wait_readable({}, fds, milliseconds(1000)));
  wake.clear();
  EXPECT_FALSE(wait_readable({}, fds, milliseconds(0)));
}

}  // namespace
}  // namespace mimicfleet::net
