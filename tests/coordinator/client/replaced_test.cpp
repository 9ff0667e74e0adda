#include "coordinator/client/replaced.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/client/changed_setting.h"
#include "tests/coordinator/client/clip.h"

namespace mimicfleet::coordinator {
namespace {

// A finished clip, and what a later plan says of it.
class Replaced : public ::testing::Test {
 protected:
  Replaced() : clip_(clip_in(folder_.path())), models_(some_models()) {
    clip_.parameters.loras = {{{"/loras/a.safetensors", sha256("lora a"), 4}, 1}};
    finish_clip(folder_, clip_, "an mp4");
  }
  std::string made_with() {
    FileDigestCache cache;
    const OutputState state = look_at_outputs(clip_, models_, cache);
    EXPECT_NE(state.reason, "");
    return state.made_with;
  }

  TemporaryFolder folder_;
  jobs::ClipPlan clip_;
  jobs::ModelSet models_;
};

TEST_F(Replaced, AnotherSeedImageOrModelIsTold) {
  const jobs::ClipPlan same = clip_;
  clip_.parameters.seed = 7;
  EXPECT_EQ(made_with(), "seed 42");
  clip_ = same;
  clip_.reference = {"/in/other.png", sha256("other image"), 5};
  EXPECT_EQ(made_with(), "the reference image /in/ref.png");
  clip_ = same;
  clip_.parameters.loras[0].scale = 0.5;
  EXPECT_EQ(made_with(), "the LoRA /loras/a.safetensors at scale 1");
  clip_.parameters.loras = {};
  EXPECT_EQ(made_with(), "the LoRA /loras/a.safetensors");
  clip_ = same;
  clip_.parameters.unet_overlay = jobs::FileRef{"/unet.safetensors", sha256("unet"), 4};
  EXPECT_EQ(made_with(), "no UNet overlay");
  clip_ = same;
  models_.diffusion = sha256("other diffusion");
  models_.name = "finetuned";
  models_.id = jobs::model_set_id(models_);
  EXPECT_EQ(made_with(), "the models some");
}

TEST_F(Replaced, AnotherCheckpointIsTellingWhereTheFoldersHaveTheSameName) {
  models_.checkpoint = "/old/models/MimicMotion_1-1.pth";
  jobs::ModelSet now = models_;
  EXPECT_EQ(other_models(models_, now), "");
  now.checkpoint = "/copied/models/MimicMotion_1-1.pth";
  EXPECT_EQ(other_models(models_, now), "") << "the same bytes elsewhere";
  now.diffusion = sha256("other diffusion");
  now.id = jobs::model_set_id(now);
  EXPECT_EQ(other_models(models_, now), "the models some (/old/models/MimicMotion_1-1.pth)");
  now.checkpoint = models_.checkpoint;
  EXPECT_EQ(other_models(models_, now), "") << "changed in its place";
}

TEST_F(Replaced, WhatChangedInItsPlaceAndAnySettingIsNot) {
  const jobs::ClipPlan same = clip_;
  clip_.video.digest = sha256("other video");
  EXPECT_EQ(made_with(), "");
  clip_ = same;
  clip_.reference.digest = sha256("retouched");
  EXPECT_EQ(made_with(), "");
  clip_ = same;
  clip_.parameters.loras[0].file.digest = sha256("trained further");
  EXPECT_EQ(made_with(), "");
  clip_ = same;
  clip_.parameters.steps = 4;
  EXPECT_EQ(made_with(), "");
  clip_ = same;
  models_.vae = sha256("other vae");
  models_.id = jobs::model_set_id(models_);
  EXPECT_EQ(made_with(), "");
}

TEST_F(Replaced, WithoutAVideoThereNothingIsLost) {
  std::filesystem::remove(folder_ / "x/a.mp4");
  clip_.parameters.seed = 7;
  EXPECT_EQ(made_with(), "");
}

PlannedClip planned(const std::string& name, const std::string& replaces, bool video = true) {
  PlannedClip clip{clip_in("/out", name), "seed was 42", 0};
  clip.replaces = replaces;
  clip.replaces_latents = !video;
  return clip;
}

TEST(CheckReplaced, NamesHowManyWhichAndWhatTheyWereMadeWith) {
  RunPlan plan;
  plan.clips = {planned("a", "seed 42"), planned("b", ""), planned("c", "seed 42"),
                planned("d", "the models puppet"), planned("e", "seed 42", false)};
  plan.films.push_back({{}, "the latents of its clips changed", 0, "seed 42"});
  plan.films[0].plan.output.relative = "s1";
  const Status refused = check_replaced(plan, "/out");
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.message(),
            "/out: latents of 1 clip there were made with seed 42 (e); 3 videos there were made "
            "with seed 42 "
            "(a, c, s1); 1 video there was made with the models puppet (d); give --overwrite to "
            "replace them, "
            "or another --output-dir");
}

TEST(CheckReplaced, WhatIsNotMadeAgainOrIsNewIsNoMatter) {
  RunPlan plan;
  plan.clips = {planned("a", "")};
  plan.clips.push_back(planned("b", "seed 42"));
  plan.clips[1].reason.clear();
  EXPECT_TRUE(check_replaced(plan, "/out").ok());
}

TEST(CheckForeign, NamesTheFilesThatSomebodyElseMade) {
  RunPlan plan;
  plan.clips = {planned("a", ""), planned("b", "")};
  EXPECT_TRUE(check_foreign(plan, "/out").ok());
  plan.clips[1].foreign = {"b.mp4"};
  EXPECT_EQ(check_foreign(plan, "/out").message(),
            "/out: 1 file there was not made by mimicfleet (b.mp4); give --overwrite to replace "
            "it, or another "
            "--output-dir");
  plan.films.push_back({});
  plan.films[0].foreign = {"s1.json"};
  EXPECT_THAT(check_foreign(plan, "/out").message(),
              ::testing::HasSubstr("2 files there were not made by mimicfleet (b.mp4, s1.json)"));
}

TEST(CheckReplaced, AFewOfManyAreNamed) {
  RunPlan plan;
  for (int i = 0; i < 60; ++i) plan.clips.push_back(planned(std::to_string(i), "seed 42"));
  EXPECT_THAT(check_replaced(plan, "/out").message(), ::testing::HasSubstr("18, 19 and 40 more)"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
