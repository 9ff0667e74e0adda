#include "coordinator/client/finished.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/clip.h"

namespace mimicfleet::coordinator {
namespace {

class Finished : public ::testing::Test {
 protected:
  Finished() : clip_(clip_in(folder_.path())), models_(some_models()) {
    finish_clip(folder_, clip_, "an mp4");
  }

  std::string reason() {
    FileDigestCache cache;
    return look_at_outputs(clip_, models_, cache).reason;
  }

  TemporaryFolder folder_;
  jobs::ClipPlan clip_;
  jobs::ModelSet models_;
};

TEST_F(Finished, OutputsThatFitTheirRecordAndThePlanAreNotMadeAgain) {
  EXPECT_EQ(reason(), "");
  FileDigestCache cache;
  EXPECT_EQ(look_at_outputs(clip_, models_, cache).seconds, 3);
}

TEST_F(Finished, WarningsOfWhatIsThereAreThoseOfItsRecord) {
  finish_clip(folder_, clip_, "an mp4", 3, {"nobody is found"});
  FileDigestCache cache;
  EXPECT_EQ(look_at_outputs(clip_, models_, cache).warnings,
            std::vector<std::string>{"nobody is found"});
  clip_.parameters.steps = 4;
  EXPECT_TRUE(look_at_outputs(clip_, models_, cache).warnings.empty());  // it is made again
}

TEST_F(Finished, AClipWithoutARecordIsMade) {
  std::filesystem::remove(folder_ / "x/a.json");
  EXPECT_EQ(reason(), "not made yet");
  put(folder_, "x/a.json", "{\"key\": ");
  EXPECT_EQ(reason(), "its record cannot be read");
}

TEST_F(Finished, ATruncatedReplacedOrMissingVideoIsMadeAgain) {
  put(folder_, "x/a.mp4", "an mp");
  EXPECT_EQ(reason(), "its MP4 has another size than its record says");
  put(folder_, "x/a.mp4", "an mpX");
  EXPECT_EQ(reason(), "its MP4 is not what its record says");
  std::filesystem::remove(folder_ / "x/a.mp4");
  EXPECT_EQ(reason(), "its MP4 is not there");
}

TEST_F(Finished, AChangedInputModelOrSettingMakesItAgainAndIsNamed) {
  const auto same = clip_;
  clip_.video.digest = sha256("other");
  EXPECT_EQ(reason(), "the video changed");
  clip_ = same;
  clip_.reference.digest = sha256("other");
  EXPECT_EQ(reason(), "the reference image changed");
  clip_ = same;
  clip_.parameters.steps = 4;
  EXPECT_EQ(reason(), "steps was 25");
  clip_.parameters = same.parameters;
  clip_.parameters.guidance_interval = {0.2, 0.8};
  EXPECT_EQ(reason(), "guidance_interval was 0:1");
  clip_.parameters = same.parameters;
  clip_.parameters.crf = 30;
  EXPECT_EQ(reason(), "crf was 18");
  clip_ = same;
  clip_.parameters.loras = {{{"/lora.safetensors", sha256("lora"), 4}, 0.5}};
  EXPECT_EQ(reason(), "the LoRAs changed");
  clip_ = same;
  clip_.parameters.unet_overlay = jobs::FileRef{"/unet.safetensors", sha256("unet"), 4};
  EXPECT_EQ(reason(), "the UNet overlay changed");
  clip_ = same;
  models_.vae = sha256("other");
  models_.id = jobs::model_set_id(models_);
  EXPECT_EQ(reason(), "the models changed");
}

TEST_F(Finished, ThePrecisionMustBeTheOneThatIsAskedFor) {
  clip_.parameters.precision = jobs::Precision::kFp32;  // what `auto` came to
  EXPECT_EQ(reason(), "");
  clip_.parameters.precision = jobs::Precision::kBf16;
  EXPECT_EQ(reason(), "precision was \"auto\"");
}

TEST_F(Finished, WhereTheFilesLieAndWhoAskedForWhatDoesNotMatter) {
  clip_.video.path = "/elsewhere/a.mp4";
  clip_.provenance["steps"] = "flag";
  clip_.output.nonce = "another";
  EXPECT_EQ(reason(), "");
  clip_.parameters.loras = {{{"/lora.safetensors", sha256("lora"), 4}, 1}};
  finish_clip(folder_, clip_, "an mp4");
  clip_.parameters.loras[0].file.path = "/elsewhere/lora.safetensors";
  EXPECT_EQ(reason(), "");
}

TEST_F(Finished, SideOutputsThatAreAskedForMustBeThere) {
  clip_.output.save_latents = true;
  EXPECT_EQ(reason(), "its latents are not saved yet");
  put(folder_, "_latents/x/a.safetensors", "latents");
  EXPECT_EQ(reason(), "");
  clip_.output.save_frames = true;
  put(folder_, "_frames/x/a/000000.png", "png");
  put(folder_, "_frames/x/a/000001.png", "png");
  EXPECT_EQ(reason(), "its frames are not saved yet");
  put(folder_, "_frames/x/a/000002.png", "png");
  EXPECT_EQ(reason(), "");
}

}  // namespace
}  // namespace mimicfleet::coordinator
