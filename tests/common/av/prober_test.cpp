#include "common/av/prober.h"

#include <sys/stat.h>

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::av {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kShown = kClips + "shown/";

TEST(Prober, LooksAtVideosAndImagesOneAfterTheOther) {
  Prober prober;
  for (int round = 0; round < 2; ++round) {
    const auto video = prober.video(kShown + "wide_pixels.mp4");
    ASSERT_TRUE(video.ok()) << video.status();
    EXPECT_EQ(video->video.width, 93);
    EXPECT_EQ(video->video.codec, "h264");
    EXPECT_EQ(video->video.average_fps, (Rational{30, 1}));
    EXPECT_EQ(video->notes.done.text(), "square.1");
    const auto image = prober.image(kImages + "turned.jpg");
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->video.width, 17);
    EXPECT_EQ(image->video.height, 21);
    EXPECT_EQ(image->notes.done.text(), "upright.1");
  }
}

TEST(Prober, FindsAlsoWhatLaterFramesNeed) {
  Prober prober;
  const auto late = prober.video(kShown + "transparent_late.mov");
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_EQ(late->notes.done.text(), "white.1");
  EXPECT_THAT(late->notes.warnings, ElementsAre(HasSubstr("put on white")));
  const auto opaque = prober.video(kShown + "opaque_vp9.webm");
  ASSERT_TRUE(opaque.ok()) << opaque.status();
  EXPECT_EQ(opaque->notes.done.text(), "");
  EXPECT_THAT(opaque->notes.warnings, ElementsAre(HasSubstr("opaque in its first 64 frames")));
}

TEST(Prober, FindsTheReadingThatShowsWhatAViewerShows) {
  Prober prober;
  for (const auto& [name, reading] : {std::pair{"transparent_late.mov", "white.1"},
                                      {"transparent_vp9.webm", "white.1"},
                                      {"transparent_vp8.webm", "white.1"},
                                      {"turned_sei.mp4", "turned.1"},
                                      {"turned_sei_and_180.mp4", "turned.1"},
                                      {"interlaced_mjpeg.mov", "progressive.1"},
                                      {"opaque_vp9.webm", ""}}) {
    const auto looked = prober.video(kShown + name);
    ASSERT_TRUE(looked.ok()) << looked.status();
    EXPECT_EQ(looked->notes.done.text(), reading) << name;
    const auto told = read_all(kShown + name, {.reading = looked->notes.done});
    const auto viewer = read_all(kShown + name, {.reading = Reading::viewer()});
    ASSERT_TRUE(told.ok() && viewer.ok()) << told.status();
    ASSERT_EQ(told->size(), viewer->size()) << name;
    for (std::size_t i = 0; i < told->size(); ++i) {
      EXPECT_TRUE(told->at(i).image == viewer->at(i).image) << name << ' ' << i;
    }
    EXPECT_EQ(looked->video.width, told->front().image.width) << name;
  }
}

TEST(Prober, SaysOfEachFileWhatIsWrongWithItAndGoesOn) {
  const TemporaryFolder folder;
  Prober prober;
  EXPECT_THAT(prober.video(folder / "missing.mp4").status().message(), HasSubstr("No such file"));
  EXPECT_THAT(prober.video(kClips + "theora.mkv").status().message(),
              AllOf(HasSubstr("theora.mkv: "), HasSubstr("codec theora")));
  EXPECT_TRUE(prober.video(kClips + "h264.mp4").ok());
  const std::string cut = read_file(kImages + "rgb.png").substr(0, 300);
  EXPECT_THAT(prober.image(folder.write("cut.png", cut)).status().message(),
              HasSubstr("damaged or truncated"));
  EXPECT_TRUE(prober.image(kImages + "rgb.png").ok());
  EXPECT_THAT(prober.image(kClips + "h264.mp4").status().message(),
              HasSubstr("is an MP4, not a PNG"));
}

TEST(Prober, LooksAtMoreFilesThanOneProcessDoes) {
  Prober prober;
  for (int i = 0; i < 150; ++i) ASSERT_TRUE(prober.image(kImages + "rgb.png").ok()) << i;
}

TEST(Prober, StartsAnewAfterACrash) {
  const TemporaryFolder folder;
  const std::string program = folder.write("media", "#!/bin/sh\nkill -SEGV $$\n");
  ::chmod(program.c_str(), 0700);
  Prober prober;
  ASSERT_TRUE(prober.image(kImages + "rgb.png").ok());
  Prober crashing;
  ::setenv("MIMICFLEET_MEDIA", program.c_str(), 1);
  const Status crashed = crashing.image(kImages + "rgb.png").status();
  ::unsetenv("MIMICFLEET_MEDIA");
  EXPECT_EQ(crashed.code(), StatusCode::kInternal);
  EXPECT_THAT(crashed.message(), AllOf(HasSubstr("rgb.png: "), HasSubstr("signal 11")));
  EXPECT_TRUE(crashing.image(kImages + "rgb.png").ok());
}

TEST(Prober, HoldsTheLimits) {
  Prober prober({.max_frame_pixels = 1000, .max_image_pixels = 100});
  EXPECT_THAT(prober.video(kClips + "h264.mp4").status().message(),
              HasSubstr("more than the limit of 1000"));
  EXPECT_THAT(prober.image(kImages + "rgb.png").status().message(),
              HasSubstr("more than the limit of 100"));
}

}  // namespace
}  // namespace mimicfleet::av
