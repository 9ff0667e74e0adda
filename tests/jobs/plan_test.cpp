#include "jobs/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ClipPlan clip(const std::string& path, const std::string& relative) {
  ClipPlan plan;
  plan.video.path = path;
  plan.video.digest = sha256(path);
  plan.output.relative = relative;
  return plan;
}

TEST(Plan, EveryClipBecomesAnEncodeAndTheDecodeThatNeedsIt) {
  JobPlan plan;
  plan.clips = {clip("a.mp4", "a"), clip("b.mp4", "sub/b")};
  const auto tasks = make_tasks(plan, new_id<JobId>());
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  ASSERT_EQ(tasks->size(), 4U);
  EXPECT_EQ((*tasks)[2].kind, TaskKind::kEncodeLatents);
  EXPECT_EQ((*tasks)[3].kind, TaskKind::kDecodeVideo);
  EXPECT_THAT((*tasks)[3].needs, ElementsAre((*tasks)[2].id));
  EXPECT_NE((*tasks)[0].key, (*tasks)[2].key);
}

TEST(Plan, TwoInputsWithOneOutputAreRefusedAndBothNamed) {
  JobPlan plan;
  plan.clips = {clip("in/a.mp4", "a"), clip("in/A.mkv", "A")};
  const auto tasks = make_tasks(plan, new_id<JobId>());
  ASSERT_FALSE(tasks.ok());
  EXPECT_THAT(tasks.status().message(), HasSubstr("in/a.mp4"));
  EXPECT_THAT(tasks.status().message(), HasSubstr("in/A.mkv"));
}

TEST(Plan, AFilmNeedsTheEncodesOfItsClipsInOrderAndEveryClipIsEncodedOnce) {
  JobPlan plan;
  plan.clips = {clip("a.mp4", "a"), clip("b.mp4", "b")};
  for (auto& word : plan.clips) word.output.save_video = false;
  FilmPlan film;
  film.output.relative = "s1";
  film.parts = {{"b", "b", {}},
                {"old", "", {{"/old.safetensors", {}, 5}, {}, {}, 9, 64, 64, 15}},
                {"a", "a", {}},
                {"b", "b", {}}};
  plan.films = {film, film};
  plan.films[1].output.relative = "a";  // the clip of that name has no video
  const auto tasks = make_tasks(plan, new_id<JobId>());
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  ASSERT_EQ(tasks->size(), 4U);
  const TaskSpec& task = (*tasks)[2];
  EXPECT_EQ(task.kind, TaskKind::kDecodeVideo);
  EXPECT_THAT(task.needs, ElementsAre((*tasks)[1].id, (*tasks)[0].id, (*tasks)[1].id));
  ASSERT_EQ(task.segments.size(), 4U);
  EXPECT_TRUE(task.segments[1].encode.is_nil());
  EXPECT_EQ(task.segments[1].saved.frames, 9);
}

TEST(Plan, AFilmOfNothingOrOfAClipThatIsNotThereIsRefused) {
  JobPlan plan;
  plan.films.emplace_back().output.relative = "s1";
  EXPECT_THAT(make_tasks(plan, new_id<JobId>()).status().message(),
              HasSubstr("s1: a film of no clips"));
  plan.films[0].parts = {{"b", "b", {}}};
  EXPECT_THAT(make_tasks(plan, new_id<JobId>()).status().message(),
              HasSubstr("its part b is no clip of the plan"));
  plan.clips = {clip("b.mp4", "b"), clip("S1.mp4", "S1")};
  EXPECT_THAT(make_tasks(plan, new_id<JobId>()).status().message(),
              HasSubstr("S1.mp4 and the film s1"));
}

TEST(Plan, OutputsStayBelowTheOutputFolder) {
  for (const char* path : {"../x", "/etc/x", "a//b", "", "a/../b", "a/.", "."}) {
    JobPlan plan;
    plan.clips = {clip("a.mp4", path)};
    EXPECT_FALSE(make_tasks(plan, new_id<JobId>()).ok()) << path;
  }
  EXPECT_TRUE(is_safe_relative("a/b c/..d"));
}

TEST(Plan, ShardsAreDisjointAndCoverAll) {
  EXPECT_THAT(shard_positions(5, 1, 2), ElementsAre(0, 2, 4));
  EXPECT_THAT(shard_positions(5, 2, 2), ElementsAre(1, 3));
  EXPECT_TRUE(shard_positions(1, 2, 2).empty());
}

}  // namespace
}  // namespace mimicfleet::jobs
