#include "jobs/joining.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

using ::testing::HasSubstr;

Joining joining(int interp, int crossfade, DropReference drop = DropReference::kFirst) {
  Parameters parameters;
  parameters.interp_frames = interp;
  parameters.crossfade_frames = crossfade;
  parameters.drop_reference = drop;
  return Joining(parameters);
}

std::string error(const Joining& how, const std::vector<FilmClip>& clips) {
  const Status status = how.check(clips);
  EXPECT_TRUE(status.ok() || status.code() == StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(how.film_frames(clips).status(), status);
  return status.message();
}

TEST(Joining, TheFramesOfAFilmAreKnownBefore) {
  const std::vector<FilmClip> clips = {{"a", 5}, {"b", 6}, {"c", 7}};
  EXPECT_EQ(joining(0, 0).film_frames(clips).value_or(0), 18);
  EXPECT_EQ(joining(3, 0).film_frames(clips).value_or(0), 24);
  EXPECT_EQ(joining(0, 2).film_frames(clips).value_or(0), 14);
  EXPECT_EQ(joining(2, 0, DropReference::kEach).film_frames(clips).value_or(0), 20);
}

TEST(Joining, TheClipThatAllowsTheFewestCrossFadedFramesIsNamedWithTheMostThatIsPossible) {
  EXPECT_EQ(error(joining(0, 3), {{"a", 8}, {"b", 5}, {"c", 8}}),
            "b: its 5 frames are too few for --crossfade-frames 3 at both ends; give at most 2");
  EXPECT_EQ(error(joining(0, 2), {{"a", 8}, {"b", 5}, {"c", 8}}), "");
  EXPECT_EQ(error(joining(0, 9), {{"a", 8}, {"b", 20}, {"c", 7}}),
            "c: its 7 frames are too few for --crossfade-frames 9; give at most 7");
  EXPECT_EQ(error(joining(0, 7), {{"a", 8}, {"b", 20}, {"c", 7}}), "");
}

TEST(Joining, AReferenceThatIsLeftOutIsNotCrossFaded) {
  const std::vector<FilmClip> clips = {{"a", 5}, {"b", 5}};
  EXPECT_EQ(error(joining(0, 5), clips), "");
  EXPECT_EQ(error(joining(0, 5, DropReference::kEach), clips),
            "b: its 5 frames, one of which is left out, are too few for --crossfade-frames 5; give "
            "at most 4");
  EXPECT_EQ(error(joining(0, 4, DropReference::kEach), clips), "");
  EXPECT_THAT(error(joining(2, 0, DropReference::kEach), {{"a", 1}, {"b", 1}}),
              HasSubstr("b: it has 1 frames, of which the reference is left out"));
}

TEST(Joining, AClipAloneOrOneThatIsNotKnownYetIsLongEnough) {
  EXPECT_EQ(error(joining(0, 9), {{"a", 1}}), "");
  EXPECT_TRUE(joining(0, 3).check({{"a", 0}, {"b", 6}, {"c", 0}}).ok());
  EXPECT_THAT(joining(0, 4).check({{"a", 0}, {"b", 6}, {"c", 0}}).message(),
              HasSubstr("give at most 3"));
}

}  // namespace
}  // namespace mimicfleet::jobs
