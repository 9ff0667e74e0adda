#include "common/wire/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/messages.h"

namespace mimicfleet::wire {
namespace {

TEST(Envelope, CarriesTypeRequestAndBody) {
  const auto request = new_id<RequestId>();
  const auto envelope =
      open_envelope(seal(jobs::ErrorReply{Status(StatusCode::kNotFound, "no job 7")}, request));
  ASSERT_TRUE(envelope.ok());
  EXPECT_EQ(envelope->type, "error");
  EXPECT_EQ(envelope->request, request);
  const auto body = body_as<jobs::ErrorReply>(*envelope);
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->status, Status(StatusCode::kNotFound, "no job 7"));
}

TEST(Envelope, AnotherMajorVersionIsRefusedWithBothVersions) {
  Envelope envelope;
  envelope.major = kProtocolMajor + 1;
  envelope.type = "ok";
  const auto opened = open_envelope(encode_struct(envelope));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(opened.status().message(), testing::HasSubstr("protocol 2.0, this program 1.0"));
}

TEST(Envelope, AnotherMinorVersionIsAccepted) {
  Envelope envelope;
  envelope.minor = kProtocolMinor + 7;
  envelope.type = "ok";
  EXPECT_TRUE(open_envelope(encode_struct(envelope)).ok());
}

}  // namespace
}  // namespace mimicfleet::wire
