#include "worker/device/device_failures.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::device {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const Status kNoMemory(StatusCode::kResourceExhausted,
                       "encode_latents: out of device memory: 2 GB");
const Status kBadVideo(StatusCode::kBadInput, "a.mp4: nobody to be seen");
const Status kCancelled(StatusCode::kCancelled, "cancelled");

class DeviceFailuresTest : public ::testing::Test {
 protected:
  Verdict well() { return failures_.judge({{}, "cuda:0"}); }
  Verdict fails(const Status& status) { return failures_.judge({status, "cuda:0"}); }
  Verdict falls_short(const Status& status = kNoMemory, std::int64_t shortages = 1) {
    return failures_.judge({.status = status, .device = "cuda:0", .shortages = shortages});
  }
  Verdict breaks(const Status& status) {
    return failures_.judge({.status = status, .device = "cuda:0", .device_works = false});
  }
  [[nodiscard]] bool goes_on() const { return failures_.end_of_process().ok(); }

  DeviceFailures failures_;
};

TEST_F(DeviceFailuresTest, WhatConcernsTheTaskAloneIsLeftAsItIs) {
  for (const Status& status : {Status(), kBadVideo, kCancelled}) {
    const Verdict verdict = fails(status);
    EXPECT_EQ(verdict.status, status);
    EXPECT_FALSE(verdict.frees_what_is_kept);
  }
  EXPECT_TRUE(goes_on());
}

TEST_F(DeviceFailuresTest, TooLittleMemoryFreesWhatIsKeptAndSaysWhatToChange) {
  const Verdict verdict = falls_short();
  EXPECT_TRUE(verdict.frees_what_is_kept);
  EXPECT_TRUE(goes_on());
  EXPECT_EQ(verdict.status.code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(verdict.status.retryable());
  EXPECT_THAT(verdict.status.message(),
              AllOf(StartsWith(kNoMemory.message()), HasSubstr("give cuda:0 to this worker alone"),
                    HasSubstr("use a smaller --resolution")));
}

TEST_F(DeviceFailuresTest, AFailureThatDoesNotTellOfTooLittleMemoryIsTakenForIt) {
  const Status hidden(StatusCode::kInternal, "encode_latents: no kernel is left");
  const Verdict verdict = falls_short(hidden);
  EXPECT_TRUE(verdict.frees_what_is_kept);
  EXPECT_EQ(verdict.status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(verdict.status.message(), StartsWith(hidden.message()));
  EXPECT_TRUE(goes_on());
}

TEST_F(DeviceFailuresTest, TheSecondTimeInARowEndsTheProcess) {
  static_cast<void>(falls_short());
  const Verdict second = falls_short();
  EXPECT_TRUE(second.frees_what_is_kept);
  EXPECT_EQ(failures_.end_of_process(), second.status);
}

TEST_F(DeviceFailuresTest, ATaskThatIsDoneInBetweenForgivesTheFirstTimeAndAPartOfOneDoesNot) {
  static_cast<void>(falls_short());
  failures_.task_is_done();
  static_cast<void>(falls_short());
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(well().status.ok());
  EXPECT_EQ(fails(kBadVideo).status, kBadVideo);
  static_cast<void>(falls_short());
  EXPECT_FALSE(goes_on());
}

TEST_F(DeviceFailuresTest, ASuccessInSpiteOfTooLittleMemoryIsOneWithAWarning) {
  static_cast<void>(falls_short());
  const Verdict verdict = falls_short({}, 3);
  EXPECT_TRUE(verdict.status.ok());
  EXPECT_FALSE(verdict.frees_what_is_kept);
  EXPECT_THAT(verdict.warning, AllOf(HasSubstr("cuda:0 had too little memory"),
                                     HasSubstr("differ in their last bits"),
                                     HasSubstr("give cuda:0 to this worker alone")));
  EXPECT_TRUE(goes_on());
  EXPECT_TRUE(well().warning.empty());
}

TEST_F(DeviceFailuresTest, ACancelledTaskStaysOne) {
  const Verdict verdict = falls_short(kCancelled);
  EXPECT_EQ(verdict.status, kCancelled);
  EXPECT_FALSE(verdict.frees_what_is_kept);
  EXPECT_TRUE(verdict.warning.empty());
}

TEST_F(DeviceFailuresTest, ADeviceThatWorksNoMoreEndsTheProcessAtOnce) {
  const Verdict verdict = breaks(kBadVideo);
  EXPECT_FALSE(verdict.frees_what_is_kept) << "nothing can be freed there";
  EXPECT_EQ(failures_.end_of_process(), verdict.status);
  EXPECT_EQ(verdict.status.code(), StatusCode::kUnavailable);
  EXPECT_TRUE(verdict.status.retryable());
  EXPECT_THAT(verdict.status.message(),
              AllOf(StartsWith("cuda:0 does nothing any more for this process: "),
                    HasSubstr(kBadVideo.message())));
}

TEST_F(DeviceFailuresTest, WhyTheProcessEndsMayBeAskedOnAnyThread) {
  std::thread asks([this] {
    while (goes_on()) std::this_thread::yield();
    EXPECT_THAT(failures_.end_of_process().message(), StartsWith("cuda:0 does nothing any more"));
  });
  static_cast<void>(breaks(kNoMemory));
  asks.join();
}

}  // namespace
}  // namespace mimicfleet::device
