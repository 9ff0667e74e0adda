#include "worker/stages/persons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::stages {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

pose::FramePose with(std::size_t persons) {
  pose::FramePose frame{480, 640, {}};
  frame.nobody = persons == 0;
  frame.persons.resize(frame.nobody ? 1 : persons);  // where nobody is found somebody is guessed
  return frame;
}

std::vector<std::string> told(const Result<std::vector<std::string>>& judged) {
  return judged.ok() ? *judged : std::vector{judged.status().message()};
}

TEST(Persons, OnePersonInEveryFrameIsNothingToTell) {
  EXPECT_THAT(told(judge_reference(with(1), "ref.png")), IsEmpty());
  EXPECT_THAT(told(judge_driving(std::vector{with(1), with(1)}, 2, "a.mp4")), IsEmpty());
}

TEST(Persons, AReferenceWithoutAnybodyIsRefusedAndOneWithSeveralToldOf) {
  const auto judged = judge_reference(with(0), "ref.png");
  EXPECT_EQ(judged.status().code(), StatusCode::kBadInput);
  EXPECT_EQ(judged.status().message(),
            "ref.png: nobody is found in this reference image; give a picture of one person, seen "
            "from the front "
            "and not too small");
  EXPECT_THAT(
      told(judge_reference(with(3), "ref.png")),
      ElementsAre(
          "3 persons are found in the reference image ref.png; cut it to the one who is meant"));
}

TEST(Persons, ADrivingVideoWithoutAnybodyIsRefusedAndSomeSuchFramesCounted) {
  const auto judged = judge_driving(std::vector{with(0), with(0)}, 2, "a.mp4");
  EXPECT_EQ(judged.status().code(), StatusCode::kBadInput);
  EXPECT_EQ(
      judged.status().message(),
      "a.mp4: nobody is found in any of the 2 frames that are used; give a video of one person");
  EXPECT_THAT(
      told(judge_driving(std::vector{with(1), with(0), with(2), with(0)}, 3, "a.mp4")),
      ElementsAre(
          "nobody is found in 2 of 4 frames of the driving video, first in frame 3; poses there "
          "are "
          "guesses",
          "several persons are found in 1 of 4 frames of the driving video, first in frame 6; cut "
          "the video to the one who is meant"));
}

}  // namespace
}  // namespace mimicfleet::stages
