#include "coordinator/client/connection.h"

#include <signal.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/fake_server.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::chrono::milliseconds kShort{50};

TEST(Connection, AsksTheServerWhoItIs) {
  FakeServer server;
  server.on<jobs::ServerInfoRequest>([](const auto&) {
    jobs::ServerInfo info;
    info.version = "7";
    return info;
  });
  const auto connection = Connection::open(server.start(), nullptr);
  ASSERT_TRUE(connection.ok()) << connection.status();
  EXPECT_EQ(connection->server().version, "7");
}

TEST(Connection, ARefusalOfTheServerIsTheStatusOfTheCall) {
  FakeServer server;
  server.on<jobs::JobCancel>([](const jobs::JobCancel& cancel) {
    return jobs::ErrorReply{Status(StatusCode::kNotFound, "no job " + cancel.selector)};
  });
  auto connection = Connection::open(server.start(), nullptr);
  const auto reply = connection->call<jobs::JobList>(jobs::JobCancel{"7"});
  EXPECT_EQ(reply.status(), Status(StatusCode::kNotFound, "no job 7"));
}

TEST(Connection, NobodyThereIsUnavailableWithTheEndpointAndARemedy) {
  const auto connection = Connection::open("tcp://127.0.0.1:1", nullptr, kShort);
  EXPECT_EQ(connection.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(
      connection.status().message(),
      AllOf(HasSubstr("tcp://127.0.0.1:1"), HasSubstr("is `coordinator serve` running there")));
}

TEST(Connection, AnEndpointThatIsNoneIsAUsageError) {
  const auto connection = Connection::open("gpu1", nullptr, kShort);
  EXPECT_EQ(connection.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(connection.status().message(),
              AllOf(HasSubstr("gpu1"), HasSubstr("tcp://127.0.0.1:5555")));
}

TEST(Connection, APeerOfAnotherMajorVersionIsNamed) {
  FakeServer server;
  server.on_bytes(jobs::ServerInfoRequest::kType, [](const wire::Envelope& request) {
    wire::Envelope reply;
    reply.major = wire::kProtocolMajor + 1;
    reply.type = jobs::ServerInfo::kType;
    reply.request = request.request;
    return std::optional(wire::encode_struct(reply));
  });
  const auto connection = Connection::open(server.start(), nullptr);
  EXPECT_EQ(connection.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(connection.status().message(), HasSubstr("the peer speaks protocol 2.0"));
}

TEST(Connection, ALateAnswerToAnEarlierRequestIsNotTakenForThisOne) {
  std::optional<wire::Envelope> first;
  FakeServer server;
  server.on_bytes(jobs::JobListRequest::kType,
                  [&](const wire::Envelope& request) -> std::optional<std::string> {
                    if (!first) {
                      first = request;
                      return std::nullopt;
                    }
                    jobs::JobList late;
                    late.jobs.resize(3);
                    return wire::seal(late, first->request);
                  });
  auto connection = Connection::open(server.start(), nullptr);
  EXPECT_EQ(connection->call<jobs::JobList>(jobs::JobListRequest(), kShort).status().code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(connection->call<jobs::JobList>(jobs::JobListRequest(), kShort).status().code(),
            StatusCode::kUnavailable);
}

TEST(Connection, AReplyOfAnotherTypeIsAnError) {
  FakeServer server;
  server.on<jobs::JobListRequest>([](const auto&) { return jobs::OkReply(); });
  auto connection = Connection::open(server.start(), nullptr);
  EXPECT_THAT(connection->call<jobs::JobList>(jobs::JobListRequest()).status().message(),
              HasSubstr("answered job_list_reply with ok"));
}

TEST(Connection, AnInterruptEndsTheWaitAndTheNextCallWorksAgain) {
  const Interrupts interrupts;
  interrupts.arm();
  FakeServer server;
  server.on_bytes(jobs::JobListRequest::kType,
                  [](const wire::Envelope&) -> std::optional<std::string> {
                    ::kill(::getpid(), SIGINT);
                    return std::nullopt;
                  });
  server.on<jobs::JobCancel>([](const auto&) { return jobs::JobList(); });
  auto connection = Connection::open(server.start(), &interrupts);
  EXPECT_EQ(connection->call<jobs::JobList>(jobs::JobListRequest()).status().code(),
            StatusCode::kCancelled);
  EXPECT_EQ(interrupts.count(), 1);
  EXPECT_TRUE(connection->call<jobs::JobList>(jobs::JobCancel{"all"}).ok());
}

TEST(Interrupts, BeforeTheRunTheyEndTheProcessWithTheCodeOfAnInterrupt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Interrupts interrupts;
        ::raise(SIGINT);
      },
      ::testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace mimicfleet::coordinator
