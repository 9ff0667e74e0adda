#include "coordinator/client/saved_latents.h"

#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/clip.h"
#include "tests/coordinator/client/latents_file.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SavedLatents : public ::testing::Test {
 protected:
  Result<LatentsFile> read(const std::string& bytes) {
    put(folder_, "a.safetensors", bytes);
    FileDigestCache cache;
    return read_latents_file(folder_ / "a.safetensors", cache);
  }
  std::string difference() {
    const auto file = read(latents_bytes(strings_));
    EXPECT_TRUE(file.ok()) << file.status();
    return latents_differ(*file, clip_, models_);
  }

  TemporaryFolder folder_;
  jobs::ClipPlan clip_ = clip_in("/out");
  jobs::ModelSet models_ = some_models();
  LatentsStrings strings_ = strings_of(clip_, models_);
};

TEST_F(SavedLatents, AreDescribedByTheirHeader) {
  const auto file = read(latents_bytes(strings_, 7));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->saved.frames, 7);
  EXPECT_EQ(file->saved.width, 64);
  EXPECT_EQ(file->saved.height, 64);
  EXPECT_EQ(file->saved.fps, 15);
  EXPECT_EQ(file->saved.vae, models_.vae);
  EXPECT_EQ(file->saved.file.digest, sha256(latents_bytes(strings_, 7)));
}

TEST_F(SavedLatents, FitTheClipThatTheyWereMadeOfAndElseSayWhatWasDifferent) {
  EXPECT_EQ(difference(), "");
  clip_.parameters.crf = 30;  // changes no latents
  clip_.parameters.interp_frames = 3;
  EXPECT_EQ(difference(), "");
  clip_.parameters.steps = 4;
  EXPECT_EQ(difference(), "steps was 25");
  clip_.parameters.steps = 25;
  clip_.parameters.precision = jobs::Precision::kBf16;
  EXPECT_EQ(difference(), "precision was fp32");
  clip_.video.digest = sha256("other");
  EXPECT_EQ(difference(), "the video changed");
  strings_["driving"] = clip_.video.digest.hex();
  clip_.reference.digest = sha256("other");
  EXPECT_EQ(difference(), "the reference image changed");
  strings_["reference"] = clip_.reference.digest.hex();
  models_.id = sha256("other");
  EXPECT_EQ(difference(), "the models changed");
}

TEST_F(SavedLatents, TellThatTheyWereMadeWithOtherModelsOrAnotherImage) {
  const auto made_with = [&] {
    return latents_made_with(*read(latents_bytes(strings_)), clip_, models_);
  };
  strings_["models_name"] = models_.name;
  strings_["checkpoint"] = models_.checkpoint = "/models/a.pth";
  strings_["reference_path"] = clip_.reference.path;
  EXPECT_EQ(made_with(), "");
  const jobs::ModelSet same = models_;
  models_.id = sha256("other");
  EXPECT_EQ(made_with(), "") << "changed in their place";
  models_.checkpoint = "/models/b.pth";
  EXPECT_EQ(made_with(), "the models some (/models/a.pth)");
  models_ = same;
  clip_.reference.digest = sha256("other");
  EXPECT_EQ(made_with(), "") << "changed in its place";
  const std::string before = std::exchange(clip_.reference.path, "/in/other.png");
  EXPECT_EQ(made_with(), "the reference image " + before);
  strings_.erase("reference_path");
  EXPECT_EQ(made_with(), "") << "an older version does not say it";
}

TEST_F(SavedLatents, ThoseOfTheOriginalFitAnything) {
  strings_ = {{"fps", "12.5"}, {"seed", "42"}};
  EXPECT_EQ(difference(), "");
  EXPECT_EQ(read(latents_bytes(strings_))->saved.fps, 12.5);
}

TEST_F(SavedLatents, OtherFilesAreRefusedByName) {
  std::string other = latents_bytes(strings_);
  other.replace(other.find("latents\""), 7, "weights");
  const std::string whole = latents_bytes(strings_);
  for (const auto& bytes : {other, whole.substr(0, whole.size() - 2), std::string("text")}) {
    const auto file = read(bytes);
    EXPECT_EQ(file.status().code(), StatusCode::kBadInput);
    EXPECT_THAT(file.status().message(), HasSubstr("a.safetensors: "));
  }
}

TEST_F(SavedLatents, KeepWhatIsToBeToldOfThem) {
  EXPECT_EQ(
      read(latents_bytes({{"warnings", "the motion is too fast\nnobody is found"}}))->warnings,
      (std::vector<std::string>{"the motion is too fast", "nobody is found"}));
  EXPECT_TRUE(read(latents_bytes({}))->warnings.empty());
}

}  // namespace
}  // namespace mimicfleet::coordinator
