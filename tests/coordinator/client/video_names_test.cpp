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
    return is_video_file(folder_.write(name, bytes));
  }
  TemporaryFolder folder_;
};

TEST_F(VideoNames, TheUsualOnesOfEveryContainerThatDecodesAreTaken) {
  for (const char* suffix : {"mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "ts", "mts", "m2ts", "m2t",
                             "gif", "3gp", "3g2", "f4v", "MP4", "M2TS", "Mov"}) {
    EXPECT_TRUE(is_video(std::string("clip.") + suffix)) << suffix;
  }
}

TEST_F(VideoNames, ANameThatSaysNothingIsJudgedByWhatIsInTheFile) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const char* name : {"clip", "clip.dat", "clip.insv", "clip.lrv", "clip.2024"}) {
    EXPECT_TRUE(is_video(name, video)) << name;
    EXPECT_FALSE(is_video(name, "words")) << name;
  }
  EXPECT_FALSE(is_video_file(folder_ / "missing"));
  fs::create_directory(folder_ / "folder");
  EXPECT_FALSE(is_video_file(folder_ / "folder"));
}

TEST_F(VideoNames, WhatIsSomethingElseOrNotWholeYetIsNotTaken) {
  const std::string video = read_file(av::kClips + "h264.mp4");
  for (const char* name :
       {"clip.mp4.part", "clip.crdownload", "sound.m4a", "clip.json", "clip.png", "clip.tmp"}) {
    EXPECT_FALSE(is_video(name, video)) << name;
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
  EXPECT_EQ(others.text(), "4 files that are no videos by name: 2 .png, 1 without a suffix, 1 .txt");
  OtherFiles one;
  one.add("x/a.png");
  EXPECT_EQ(one.text(), "1 file that is no video by name: 1 .png");
}

}  // namespace
}  // namespace mimicfleet::coordinator
