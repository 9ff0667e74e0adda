#include "coordinator/client/summary.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/client/cost.h"
#include "tests/coordinator/client/clip.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

jobs::TaskInfo task_of(const std::string& name, jobs::TaskKind kind, jobs::TaskState state) {
  jobs::TaskInfo task;
  task.spec.name = name;
  task.spec.kind = kind;
  task.state = state;
  task.worker = "w";
  task.attempt = 1;
  task.run_seconds = 2;
  return task;
}

class Summary : public ::testing::Test {
 protected:
  Summary() {
    plan_.models.set = some_models();
    plan_.notice = "pictures are noise";
    plan_.clips = {{clip_in("/out", "a"), "", 4},
                   {clip_in("/out", "b"), "not made yet", 0},
                   {clip_in("/out", "c"), "steps was 25", 0}};
    plan_.refused = {
        {"d", "/in/d.mp4", Status(StatusCode::kBadInput, "/in/d.mp4: is empty (0 bytes)")}};
  }
  RunSummary after_run() {
    SummaryBuilder builder(plan_, "/out");
    auto encode = task_of("b", jobs::TaskKind::kEncodeLatents, jobs::TaskState::kDone);
    encode.result.stages = {{"load", 3, false}, {"denoise", 1.5, false}};
    encode.attempt = 2;
    auto decode = task_of("b", jobs::TaskKind::kDecodeVideo, jobs::TaskState::kDone);
    decode.result.stages = {{"load", 0.25, true}, {"vae_decode", 1, false}};
    decode.result.frames = 24;
    decode.result.warnings = {"two persons"};
    auto failed = task_of("c", jobs::TaskKind::kDecodeVideo, jobs::TaskState::kFailed);
    failed.error = Status(StatusCode::kBadInput, "/in/c.mp4: has no video stream");
    for (const auto& task : {encode, decode, failed}) builder.add(task);
    return builder.finish(61);
  }
  MediaLooks looks_;
  RunPlan plan_;
};

TEST_F(Summary, TellsWhatBecameOfEveryVideo) {
  const RunSummary summary = after_run();
  EXPECT_EQ(summary.videos.at("done"), 1U);
  EXPECT_EQ(summary.videos.at("skipped"), 1U);
  EXPECT_EQ(summary.videos.at("failed"), 2U);
  EXPECT_EQ(summary.frames, 24);
  EXPECT_FALSE(summary.all_done());
  EXPECT_EQ(summary.clips[1].attempts, 3U);
  EXPECT_EQ(summary.clips[1].seconds, 4);
  EXPECT_EQ(summary.clips[2].error, "/in/c.mp4: has no video stream");
}

TEST_F(Summary, WhatIsThereAlreadyKeepsItsWarnings) {
  plan_.clips[0].warnings = {"nobody is found"};
  plan_.films = {{{}, "", 4, "", {"a: nobody is found"}}};
  plan_.films[0].plan.output.relative = "film";
  const RunSummary summary = after_run();
  EXPECT_EQ(summary.clips[0].warnings, std::vector<std::string>{"nobody is found"});
  EXPECT_EQ(summary.clips[3].warnings, std::vector<std::string>{"a: nobody is found"});
}

TEST_F(Summary, AddsUpColdAndWarmSecondsOfEachStage) {
  const RunSummary summary = after_run();
  EXPECT_EQ(summary.ledger.stages.at("load").cold_seconds, 3);
  EXPECT_EQ(summary.ledger.stages.at("load").warm_seconds, 0.25);
  EXPECT_EQ(summary.ledger.stages.at("denoise").cold_seconds, 1.5);
}

TEST_F(Summary, TheTableListsStagesInTheirOrderThenWhatFailed) {
  const std::string table = summary_table(after_run());
  EXPECT_THAT(table, AllOf(HasSubstr("videos      1 done, 1 already there, 2 failed\n"),
                           HasSubstr("frames      24\n"), HasSubstr("time        1:01\n"),
                           HasSubstr("note        pictures are noise\n"),
                           HasSubstr("load              3.00      0.25      0.00\n"),
                           HasSubstr("failed c: /in/c.mp4: has no video stream\n"),
                           HasSubstr("failed d: /in/d.mp4: is empty (0 bytes)\n"),
                           HasSubstr("warning b: two persons\n")));
  EXPECT_LT(table.find("load"), table.find("denoise"));
  EXPECT_LT(table.find("denoise"), table.find("vae_decode"));
}

TEST_F(Summary, ARunThatMadeNothingHasNoStages) {
  plan_.clips.resize(1);
  plan_.refused.clear();
  SummaryBuilder builder(plan_, "/out");
  const RunSummary summary = builder.finish(0.1);
  EXPECT_TRUE(summary.all_done());
  EXPECT_THAT(summary_table(summary),
              AllOf(HasSubstr("videos      1 already there\n"), Not(HasSubstr("stage"))));
}

TEST_F(Summary, OfAServerThatIsSilentItDoesNotSayThatNothingWasMade) {
  SummaryBuilder builder(plan_, "/out");
  builder.leave_open();
  const RunSummary summary = builder.finish(1);
  EXPECT_EQ(summary.clips[1].state, "unknown");
  EXPECT_FALSE(summary.all_done());
  EXPECT_THAT(
      summary_table(summary),
      AllOf(
          HasSubstr("1 already there, 1 failed, 2 of which it is not known what became of them\n"),
          Not(HasSubstr("not made"))));
}

TEST_F(Summary, IsReadBackFromItsJson) {
  const auto read = json::read<RunSummary>(json::write(after_run()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->clips.size(), 4U);
  EXPECT_EQ(read->ledger.stages.at("denoise").cold_seconds, 1.5);
}

TEST_F(Summary, ADryRunListsWhatWouldBeMadeAndWhy) {
  EXPECT_EQ(plan_table(plan_, estimate_cost(plan_, "/nowhere", looks_)),
            "make    b (not made yet)\n"
            "make    c (steps was 25)\n"
            "cannot  d: /in/d.mp4: is empty (0 bytes)\n"
            "2 to make, 1 already there, 1 cannot be made; models some\n"
            "about 0:08 of one worker's time, going by the clips that are there\n");
}

TEST_F(Summary, WhatCannotBeMadeIsToldHoweverMuchThereIsToMake) {
  for (int i = 0; i < 60; ++i)
    plan_.clips.push_back({clip_in("/out", fmt::format("m{}", i)), "not made yet", 0});
  plan_.left_out = {"3 files that are no videos by name"};
  EXPECT_THAT(plan_table(plan_, estimate_cost(plan_, "/nowhere", looks_)),
              AllOf(HasSubstr("…       and 12 more\ncannot  d: /in/d.mp4: is empty (0 bytes)\n"),
                    HasSubstr("leave   3 files")));
  RunSummary summary = after_run();
  for (auto& clip : summary.clips) clip.warnings = {"too fast"};
  EXPECT_THAT(summary_table(summary), AllOf(HasSubstr("failed d: /in/d.mp4: is empty"),
                                            HasSubstr("warnings; all are in summary.json")));
}

TEST_F(Summary, ADryRunOnAServerTellsWhatItsWorkersHaveInTheirCaches) {
  plan_.cached = CachedFeatures{6, 2, 3.25};
  plan_.clips[1].cached = {"keypoints", "vae_latent"};
  EXPECT_THAT(plan_table(plan_, estimate_cost(plan_, "/nowhere", looks_)),
              AllOf(HasSubstr("make    b (not made yet; cached: keypoints, vae_latent)\n"),
                    HasSubstr("features   2 of 6 are in workers' caches, which may save 3.2 s\n")));
}

TEST_F(Summary, TheTableSaysHowFeaturesWereComeBy) {
  SummaryBuilder builder(plan_, "/out");
  auto encode = task_of("b", jobs::TaskKind::kEncodeLatents, jobs::TaskState::kDone);
  encode.result.stages = {{"preprocess", 0.5, true, 7.25}};
  encode.result.features = {{jobs::FeatureKind::kKeypoints, jobs::FeatureOutcome::kHit},
                            {jobs::FeatureKind::kVaeLatent, jobs::FeatureOutcome::kDamaged}};
  builder.add(encode);
  EXPECT_THAT(summary_table(builder.finish(1)),
              AllOf(HasSubstr("preprocess        0.00      0.50      7.25\n"),
                    HasSubstr("keypoints                    1       0       0\n"),
                    HasSubstr("vae_latent                   0       0       1\n")));
}

}  // namespace
}  // namespace mimicfleet::coordinator
