#include "coordinator/client/video_names.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

class VideoNames : public ::testing::Test {
 protected:
  bool is_video(const std::string& name, const std::string& bytes = "words") {
    return known_by(name, bytes) != KnownBy::kNothing;
  }
  KnownBy known_by(const std::string& name, const std::string& bytes) {
    return video_known_by(folder_.write(name, bytes));
  }
  TemporaryFolder folder_;
};

TEST_F(VideoNames, TheUsualOnesOfEveryContainerThatDecodesAreTaken) {
  for (const char* suffix :
       {"mp4", "m4v", "mov", "qt",  "mkv", "webm", "avi", "ts",  "mts", "m2ts", "m2t",
        "gif", "3gp", "3g2", "f4v", "MP4", "M2TS", "Mov", "mxf", "asf", "y4m"}) {
    EXPECT_TRUE(is_video(std::string("clip.") + suffix)) << suffix;
  }
}

TEST_F(VideoNames, ANameThatSaysNothingIsJudgedByWhatIsInTheFile) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const char* name : {"clip", "clip.dat", "clip.insv", "clip.2024"}) {
    EXPECT_EQ(known_by(name, video), KnownBy::kContent) << name;
    EXPECT_FALSE(is_video(name, "words")) << name;
  }
  EXPECT_EQ(video_known_by(folder_ / "missing"), KnownBy::kNothing);
  fs::create_directory(folder_ / "folder");
  EXPECT_EQ(video_known_by(folder_ / "folder"), KnownBy::kNothing);
  // One that is not read is told, with the remedy, instead of being passed over.
  EXPECT_EQ(known_by("clip.mod", std::string("\0\0\x01\xba....", 8)), KnownBy::kContent);
  EXPECT_EQ(known_by("go.mod", "module x"), KnownBy::kNothing);
}

TEST_F(VideoNames, WhatIsSomethingElseOrNotWholeYetIsNotTaken) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const char* name :
       {"clip.mp4.part", "clip.crdownload", "clip.mp4.partial", "clip.mp4.filepart", "clip.mp4.!qB",
        "clip.mp4.part-Frag3", "sound.m4a", "clip.json", "clip.png", "clip.tmp", "clip.bak",
        "clip.LRV", "DJI_1.LRF", "clip.THM", "clip.mp4~", "clip.mp4_original", "clip~"}) {
    EXPECT_EQ(known_by(name, video), KnownBy::kNothing) << name;
    EXPECT_TRUE(check_begins_like_video(folder_ / name).ok()) << name << ", if somebody names it";
  }
}

TEST_F(VideoNames, AnAnimationBesideAVideoIsItsPreview) {
  folder_.write("a.mp4", "x");
  EXPECT_TRUE(is_preview(folder_.write("a.gif", "x")));
  EXPECT_FALSE(is_preview(folder_.write("b.gif", "x")));
  EXPECT_FALSE(is_preview(folder_ / "a.mp4"));
}

TEST_F(VideoNames, OthersAreCountedBySuffix) {
  OtherFiles others;
  for (const char* name : {"a.png", "b.PNG", "c.txt", "d"}) others.add(name);
  EXPECT_EQ(others.count(), 4u);
  EXPECT_EQ(others.text(),
            "4 files that are no videos by name: 2 .png, 1 without a suffix, 1 .txt");
  OtherFiles one;
  one.add("x/a.png");
  EXPECT_EQ(one.text(), "1 file that is no video by name: 1 .png");
}

}  // namespace
}  // namespace mimicfleet::coordinator
