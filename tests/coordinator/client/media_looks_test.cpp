#include "coordinator/client/media_looks.h"

#include <chrono>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/keys.h"
#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"
#include "tests/coordinator/client/planning.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kShown = av::kClips + "shown/";

jobs::FileRef file_of(const std::string& path) {
  return {path, sha256(read_file(path)), fs::file_size(path)};
}

jobs::ClipPlan clip_of(const std::string& video, const std::string& image) {
  jobs::ClipPlan clip;
  clip.video = file_of(video);
  clip.reference = file_of(image);
  clip.output.relative = fs::path(video).stem();
  return clip;
}

// Takes a file's name, so that only a memory can still know it.
std::string old_copy(const TemporaryFolder& folder, const std::string& path) {
  const std::string copy = folder / fs::path(path).filename().string();
  fs::copy_file(path, copy);
  fs::last_write_time(copy, fs::file_time_type::clock::now() - std::chrono::hours(1));
  return copy;
}

TEST(MediaLooks, AreRememberedByContentAcrossProcesses) {
  const TemporaryFolder folder;
  const jobs::FileRef video = file_of(old_copy(folder, kShown + "hdr_pq.mp4"));
  const auto seen = MediaLooks(folder / "cache/looks").video(video);
  ASSERT_TRUE(seen.ok()) << seen.status();
  fs::remove(video.path);
  const auto remembered = MediaLooks(folder / "cache/looks").video(video);
  ASSERT_TRUE(remembered.ok()) << remembered.status();
  EXPECT_EQ(remembered->notes, seen->notes);
  EXPECT_EQ(remembered->video.width, seen->video.width);
  EXPECT_EQ(remembered->video.average_fps, seen->video.average_fps);
  EXPECT_EQ(remembered->video.codec, "hevc");
  EXPECT_EQ(MediaLooks().video(video).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MediaLooks(folder / "cache/looks").image(video).status().code(), StatusCode::kNotFound);
}

TEST(MediaLooks, PassOverDamagedLines) {
  const TemporaryFolder folder;
  const jobs::FileRef image = file_of(old_copy(folder, av::kImages + "turned.jpg"));
  ASSERT_TRUE(MediaLooks(folder / "looks").image(image).ok());
  std::string bytes = read_file(folder / "looks");
  bytes[bytes.find("upright")] = 'U';
  folder.write("looks", bytes + "\n\n \nx\n");
  const auto again = MediaLooks(folder / "looks").image(image);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->notes.done.text(), "upright.1");
  EXPECT_TRUE(MediaLooks("/proc/nonexistent/looks").image(image).ok());
}

TEST(LookAtInputs, SaysHowTheyAreReadAndWhatIsLost) {
  MediaLooks looks;
  jobs::ClipPlan clip = clip_of(kShown + "hdr_pq.mp4", av::kImages + "rgba.png");
  const LookedInputs looked = look_at_inputs(clip, looks);
  EXPECT_TRUE(looked.video.ok() && looked.reference.ok());
  EXPECT_EQ(clip.video.reading, "tones.1");
  EXPECT_EQ(clip.reference.reading, "white.1");
  EXPECT_THAT(clip.warnings, ElementsAre(AllOf(HasSubstr("driving video: "), HasSubstr("HDR (PQ)")),
                                         AllOf(HasSubstr("reference image "), HasSubstr(".png: "),
                                               HasSubstr("white"))));
}

TEST(LookAtInputs, OrdinaryOnesKeepTheirKeys) {
  MediaLooks looks;
  for (const char* name : {"h264.mp4", "rotated_90.mp4", "h264_10bit.mp4", "vp9.webm"}) {
    jobs::ClipPlan clip = clip_of(av::kClips + name, av::kImages + "rgb.png");
    const jobs::ClipPlan before = clip;
    look_at_inputs(clip, looks);
    EXPECT_THAT(clip.warnings, IsEmpty()) << name;
    EXPECT_EQ(jobs::as_read(clip.video), before.video.digest);
    EXPECT_EQ(jobs::as_read(clip.reference), before.reference.digest);
  }
}

TEST(LookAtInputs, WithCompatOriginalTheyAreReadAsItDoesUnderTheKeysThatThatHad) {
  MediaLooks looks;
  jobs::ClipPlan clip = clip_of(kShown + "wide_pixels.mp4", av::kImages + "turned.jpg");
  clip.parameters.compat = jobs::Compat::kOriginal;
  look_at_inputs(clip, looks);
  EXPECT_EQ(jobs::as_read(clip.video), clip.video.digest);
  EXPECT_EQ(jobs::as_read(clip.reference), clip.reference.digest);
  EXPECT_THAT(clip.warnings,
              ElementsAre(AllOf(HasSubstr("driving video"), HasSubstr("square.1")),
                          AllOf(HasSubstr("reference image"), HasSubstr("upright.1"))));
  jobs::ClipPlan as_viewer = clip_of(kShown + "wide_pixels.mp4", av::kImages + "turned.jpg");
  look_at_inputs(as_viewer, looks);
  const jobs::ModelSet models;
  const auto key = [&](const jobs::ClipPlan& plan) {
    return jobs::latents_key(jobs::as_read(plan.video), jobs::as_read(plan.reference), models,
                             plan.parameters);
  };
  EXPECT_NE(key(as_viewer), key(clip));
  EXPECT_EQ(key(clip), jobs::latents_key(clip.video.digest, clip.reference.digest, models, {}));
}

TEST(LookAtInputs, WhatCannotBeReadIsToldByTheStatus) {
  const TemporaryFolder folder;
  MediaLooks looks;
  jobs::ClipPlan clip = clip_of(folder.write("a.mp4", "words"), folder.write("a.png", "words"));
  const LookedInputs looked = look_at_inputs(clip, looks);
  EXPECT_EQ(looked.video.code(), StatusCode::kBadInput);
  EXPECT_EQ(looked.reference.code(), StatusCode::kBadInput);
  EXPECT_EQ(clip.video.reading + clip.reference.reading, "");
}

// 60 frames a second at stride 2 * int(60 / 24) are 15; the others are 30, or what is said.
TEST(LookAtInputs, AChangeOfSpeedIsToldWithTheFlagThatAvoidsIt) {
  MediaLooks looks;
  const auto warnings = [&](const std::string& video, auto change) {
    jobs::ClipPlan clip = clip_of(av::kClips + video, av::kImages + "rgb.png");
    change(clip.parameters);
    look_at_inputs(clip, looks);
    return clip.warnings;
  };
  const auto nothing = [](jobs::Parameters&) {};
  EXPECT_THAT(warnings("h264.mp4", nothing), IsEmpty());
  EXPECT_THAT(warnings("fps_60.mp4", nothing), IsEmpty());
  EXPECT_THAT(
      warnings("h264.mp4", [](auto& p) { p.sample_stride = 1; }),
      ElementsAre(AllOf(HasSubstr("2 times too slow"), HasSubstr("30 frames a second at stride 1"),
                        HasSubstr("--fps source, or --fps 30,"))));
  EXPECT_THAT(warnings("h264.mp4", [](auto& p) { p.fps = 18; }),
              ElementsAre(HasSubstr("1.2 times too fast")));
  EXPECT_THAT(warnings("h264.mp4", [](auto& p) { p.fps = 0; }), IsEmpty());
}

TEST(InputWarnings, AreToldOnceEach) {
  std::vector<jobs::ClipPlan> clips(3);
  clips[0].output.relative = "a";
  clips[0].warnings = {"it is HDR"};
  clips[1].output.relative = "b";
  clips[1].warnings = {"too fast"};
  clips[2].output.relative = "c";
  clips[2].warnings = {"it is HDR"};
  EXPECT_THAT(input_warnings({&clips[0], &clips[1], &clips[2]}),
              ElementsAre("a and 1 more: it is HDR", "b: too fast"));
}

class PlanningOfMedia : public PlanningTest {
 protected:
  PlanningOfMedia() {
    fs::create_directories(folder_ / "videos");
    fs::copy_file(kShown + "wide_pixels.mp4", folder_ / "videos/wide.mp4");
    fs::copy_file(av::kClips + "h264.mp4", folder_ / "videos/plain.mp4");
    request_.reference = av::kImages + "turned.jpg";
  }
};

TEST_F(PlanningOfMedia, TheReadingIsInPlanKeyAndWarnings) {
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  std::vector<std::string> readings;
  for (const auto& clip : run->clips) {
    readings.push_back(clip.plan.video.reading);
    EXPECT_EQ(clip.plan.reference.reading, "upright.1");
  }
  EXPECT_THAT(readings, UnorderedElementsAre("", "square.1"));
  EXPECT_THAT(run->warnings(), IsEmpty());  // nothing is lost
  flag("compat", "original");
  EXPECT_EQ(plan()->warnings().size(), 2u);  // of the video, and of both clips' image
}

TEST_F(PlanningOfMedia, WhatIsToldOfAReferenceImageNamesIt) {
  const std::string image = av::kImages + "turned.jpg";
  fs::copy_file(image, folder_ / "other.jpg");
  request_.reference.clear();
  request_.paths = {folder_ / "list.csv"};
  put(folder_, "list.csv",
      "video,ref_image\nvideos/plain.mp4," + image + "\nvideos/wide.mp4," +
          (folder_ / "other.jpg") + "\n");
  flag("compat", "original");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(
      run->warnings(),
      ::testing::IsSupersetOf({HasSubstr("plain: reference image " + image + ": read"),
                               HasSubstr("wide: reference image " + (folder_ / "other.jpg"))}));
}

TEST_F(PlanningOfMedia, TheSettingIsKnownInEverySpelling) {
  flag("compat", "unlike");
  EXPECT_THAT(error(), HasSubstr("'unlike' is not viewer or original"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
