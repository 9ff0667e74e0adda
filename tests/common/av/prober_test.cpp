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
  EXPECT_THAT(prober.image(kClips + "h264.mp4").status().message(), HasSubstr("is an MP4, not a PNG"));
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
  EXPECT_THAT(prober.video(kClips + "h264.mp4").status().message(), HasSubstr("more than the limit of 1000"));
  EXPECT_THAT(prober.image(kImages + "rgb.png").status().message(), HasSubstr("more than the limit of 100"));
}

}  // namespace
}  // namespace mimicfleet::av
