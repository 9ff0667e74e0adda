#include "common/status.h"

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Status(StatusCode::kInvalidArgument, "odd");
  return number / 2;
}

Status quarter(int number, int& out) {
  ASSIGN_OR_RETURN(const int once, half(number));
  ASSIGN_OR_RETURN(out, half(once));
  return {};
}

TEST(Status, MacrosPassTheFirstFailureOn) {
  int out = 0;
  EXPECT_TRUE(quarter(8, out).ok());
  EXPECT_EQ(out, 2);
  EXPECT_EQ(quarter(6, out).message(), "odd");
}

TEST(Status, PrefixKeepsTheCode) {
  const Status status = Status(StatusCode::kBadInput, "no moov atom").prefixed("a.mp4");
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_EQ(status.message(), "a.mp4: no moov atom");
}

TEST(Status, EveryCodeHasANameThatReadsBack) {
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    const auto name = to_string(static_cast<StatusCode>(code));
    EXPECT_EQ(status_code_from(name), static_cast<StatusCode>(code)) << name;
  }
  EXPECT_FALSE(status_code_from("nonsense").has_value());
}

TEST(Status, BadInputIsNotTriedAgainAndAnUnavailablePeerIs) {
  EXPECT_FALSE(Status(StatusCode::kBadInput, "x").retryable());
  EXPECT_TRUE(Status(StatusCode::kUnavailable, "x").retryable());
}

}  // namespace
}  // namespace mimicfleet
