#include "common/http/server.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/http/http_client.h"

namespace mimicfleet::http {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

std::map<std::string, Handler> routes() {
  return {
      {"/hello", [](const Request&) { return Response{.body = "hello\n"}; }},
      {"/json",
       [](const Request&) { return Response{.content_type = "application/json", .body = "[]"}; }},
      {"/echo",
       [](const Request& request) {
         std::string body = request.method + "\n";
         for (const auto& [key, value] : request.query) body += key + "=" + value + "\n";
         return Response{.body = body};
       }},
      {"/throws", [](const Request&) -> Response { throw std::runtime_error("secret"); }}};
}

std::unique_ptr<Server> start(const std::string& address = "127.0.0.1:0",
                              const Limits& limits = {}) {
  auto server = Server::start(address, routes(), limits);
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? std::move(*server) : nullptr;
}

TEST(HttpServer, AGetIsAnswered) {
  const auto server = start();
  EXPECT_THAT(server->address(), MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  const std::string answer = get(server->address(), "/hello");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 6\r\n"),
                            HasSubstr("Content-Type: text/plain; charset=utf-8\r\n")));
  EXPECT_EQ(body_of(answer), "hello\n");
  EXPECT_THAT(get(server->address(), "/json"), HasSubstr("Content-Type: application/json\r\n"));
}

TEST(HttpServer, TheQueryIsTakenApart) {
  const auto server = start();
  EXPECT_EQ(body_of(get(server->address(), "/echo?b=x%20y&a=1&c")), "GET\na=1\nb=x y\nc=\n");
}

TEST(HttpServer, HeadGetsTheHeadersAlone) {
  const auto server = start();
  const std::string answer = ask(server->address(), "HEAD", "/hello");
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 6\r\n")));
  EXPECT_THAT(body_of(answer), IsEmpty());
}

TEST(HttpServer, AnUnknownPathIsToldThoseThatExist) {
  const auto server = start();
  const std::string answer = get(server->address(), "/metricz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(body_of(answer), AllOf(HasSubstr("/hello\n"), HasSubstr("/json\n")));
}

TEST(HttpServer, OtherMethodsAreRefused) {
  const auto server = start();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    EXPECT_THAT(ask(server->address(), method, "/hello"),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n")))
        << method;
  }
  TestClient client(server->address());
  client.say(
      "POST /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  EXPECT_THAT(client.hear(), StartsWith("HTTP/1.1 405 "));
}

TEST(HttpServer, AHandlerThatThrowsIsA500ThatTellsNothing) {
  const auto server = start();
  EXPECT_THAT(get(server->address(), "/throws"),
              AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("secret"))));
  EXPECT_THAT(get(server->address(), "/hello"), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpServer, ABodyThatComesWithAGetIsPassedOver) {
  const auto server = start();
  TestClient client(server->address());
  client.say(
      "GET /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  EXPECT_EQ(body_of(client.hear()), "hello\n");
}

TEST(HttpServer, OneConnectionTakesSeveralRequests) {
  const auto server = start();
  TestClient client(server->address());
  client.say("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
  client.say("GET /json HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.hear(), AllOf(HasSubstr("\r\n\r\nhello\n"), HasSubstr("\r\n\r\n[]")));
}

TEST(HttpServer, ManyAskAtOnce) {
  const auto server = start();
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 16; ++client) {
    clients.emplace_back([&] {
      for (int request = 0; request < 20; ++request) {
        if (body_of(get(server->address(), "/hello")) == "hello\n") ++answered;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(answered, 16 * 20);
}

TEST(HttpServer, SlowClientsAndHandlersKeepNobodyWaiting) {
  std::promise<void> release;
  auto all = routes();
  all["/waits"] = [released = release.get_future().share()](const Request&) {
    released.wait();
    return Response{.body = "at last\n"};
  };
  const auto server = Server::start("127.0.0.1:0", all).value();
  TestClient half(server->address());
  half.say("GET /hello HTTP/1.1\r\nHo");
  TestClient waiting(server->address());
  waiting.say("GET /waits HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(get(server->address(), "/hello")), "hello\n");
  half.say("st: test\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(half.hear()), "hello\n");
  release.set_value();
  EXPECT_EQ(body_of(waiting.hear()), "at last\n");
}

TEST(HttpServer, AConnectionOnWhichNothingMovesIsClosed) {
  const auto server = start("127.0.0.1:0", {.silence = std::chrono::seconds(1)});
  TestClient client(server->address());
  client.say("GET /hel");
  EXPECT_THAT(client.hear(), AnyOf(IsEmpty(), StartsWith("HTTP/1.1 408 ")));  // ends
}

TEST(HttpServer, ClientsBeyondTheLimitAreTurnedAwayUntilThereIsAPlace) {
  const auto server = start("127.0.0.1:0", {.connections = 2});
  auto first = std::make_unique<TestClient>(server->address());
  first->say("GET /hello HTTP/1.1\r\nHost: test\r\n");
  TestClient second(server->address());
  second.say("GET /hello HTTP/1.1\r\nHost: test\r\n");
  EXPECT_THAT(get(server->address(), "/hello"), IsEmpty());
  first.reset();
  while (get(server->address(), "/hello").empty()) {
  }
  second.say("Connection: close\r\n\r\n");
  EXPECT_EQ(body_of(second.hear()), "hello\n");
}

TEST(HttpServer, OneClientCannotTakeAllConnections) {
  const auto server = start("127.0.0.1:0", {.connections = 64, .of_one_client = 2});
  TestClient first(server->address());
  first.say("GET /hello HTTP/1.1\r\nHost: test\r\n");
  TestClient second(server->address());
  second.say("GET /hello HTTP/1.1\r\nHost: test\r\n");
  EXPECT_THAT(get(server->address(), "/hello"), IsEmpty());
  TestClient other(server->address(), "127.0.0.2");
  other.say("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(body_of(other.hear()), "hello\n");
}

TEST(HttpServer, GarbageAndEndlessHeadersAreRefused) {
  const auto server = start("127.0.0.1:0", {.request_bytes = 4096});
  TestClient garbage(server->address());
  garbage.say(std::string("\x16\x03\x01\x00\xff\0\r\n\r\n\x80\xfe", 12) + "\r\n\r\n");
  EXPECT_THAT(garbage.hear(), AnyOf(IsEmpty(), StartsWith("HTTP/1.1 4")));
  TestClient endless(server->address());
  endless.say("GET /hello HTTP/1.1\r\nHost: test\r\nX-Endless: ");
  while (endless.say(std::string(1024, 'x'))) {
  }
  EXPECT_THAT(endless.hear(), AnyOf(IsEmpty(), StartsWith("HTTP/1.1 4")));
  EXPECT_THAT(get(server->address(), "/" + std::string(8000, 'x')),
              AnyOf(IsEmpty(), StartsWith("HTTP/1.1 4")));
  EXPECT_EQ(body_of(get(server->address(), "/hello")), "hello\n");
}

// Would wait for ever, or for `silence`, if stopping waited for clients.
TEST(HttpServer, StopsWhileClientsAreConnected) {
  auto server = start("127.0.0.1:0", {.silence = std::chrono::hours(1)});
  TestClient idle(server->address());
  idle.say("GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
  TestClient half(server->address());
  half.say("GET /hel");
  ASSERT_EQ(body_of(get(server->address(), "/hello")),
            "hello\n");  // those before were accepted, too
  server.reset();
  EXPECT_THAT(idle.hear(), AnyOf(IsEmpty(), StartsWith("HTTP/1.1 200 ")));
  EXPECT_THAT(half.hear(), IsEmpty());
}

TEST(HttpServer, APortIsFreeAtOnceAfterAStop) {
  auto server = start();
  const std::string address = server->address();
  ASSERT_EQ(body_of(get(address, "/hello")), "hello\n");
  server.reset();
  EXPECT_EQ(body_of(get(start(address)->address(), "/hello")), "hello\n");
}

TEST(HttpServer, NamesAndIpv6AreAddressesToo) {
  const auto named = start("localhost:0");
  EXPECT_THAT(named->address(), StartsWith("127.0.0.1:"));
  EXPECT_EQ(body_of(get(named->address(), "/hello")), "hello\n");
  const auto alone = start("0");
  EXPECT_THAT(alone->address(), StartsWith("127.0.0.1:"));
  const auto six = Server::start("[::1]:0", routes());
  if (!six.ok()) GTEST_SKIP() << "no IPv6 here: " << six.status();
  EXPECT_THAT((*six)->address(), MatchesRegex("\\[::1\\]:[1-9][0-9]*"));
  EXPECT_EQ(body_of(get((*six)->address(), "/hello")), "hello\n");
  const auto all = start("[::]:0");
  const std::string port = all->address().substr(all->address().rfind(':'));
  EXPECT_EQ(body_of(get("127.0.0.1" + port, "/hello")), "hello\n");
}

TEST(HttpServer, AnAddressThatCannotBeHadIsNamedWithTheRemedy) {
  const auto message = [](const std::string& address) {
    const auto server = Server::start(address, {});
    EXPECT_EQ(server.status().code(), StatusCode::kFailedPrecondition);
    return server.status().message();
  };
  const auto first = start();
  EXPECT_THAT(message(first->address()),
              AllOf(StartsWith(first->address() + ": "), HasSubstr("another port")));
  EXPECT_THAT(message("192.0.2.1:9464"),
              AllOf(StartsWith("192.0.2.1:9464: "), HasSubstr("no such address")));
  EXPECT_THAT(message("nowhere.invalid:9464"), HasSubstr("'nowhere.invalid' is not known"));
}

TEST(HttpServer, WhatIsNoAddressIsRefused) {
  for (const char* text :
       {"", ":", ":9464", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "::1:9464", "[::1]", "[::1:9464", "[]:9464", "[here]:9464", "host:1 "}) {
    const auto server = Server::start(text, {});
    ASSERT_FALSE(server.ok()) << text;
    EXPECT_EQ(server.status().code(), StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(server.status().message(),
                AllOf(HasSubstr("'" + std::string(text) + "'"), HasSubstr("HOST:PORT")));
  }
}

}  // namespace
}  // namespace mimicfleet::http
