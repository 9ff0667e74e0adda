#include "common/av/video.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"
#include "tests/parity/figures.h"

namespace mimicfleet::av {
namespace {

using ::testing::ElementsAre;

// frame_NNN.png are what decord gave the original for sample_stride 2.
TEST(VideoFrames, AreThoseOfTheOriginalBitForBit) {
  const auto frames = read_all(kGoldenPack + "videos/a.mp4", {.sample_stride = 2});
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 13u);
  for (int i = 0; i < 13; ++i) {
    char name[64];
    std::snprintf(name, sizeof(name), "goldens/pose/frames/frame_%03d.png", i);
    const auto golden = read_image(kGoldenPack + name);
    ASSERT_TRUE(golden.ok()) << golden.status();
    const Frame& frame = frames->at(static_cast<std::size_t>(i));
    EXPECT_EQ(frame.index, 2 * i);
    EXPECT_TRUE(parity::within_bound({std::string("pack_a/") + name, "", "pictures that differ",
                                      frame.image == *golden ? 0.0 : 1.0, 0}));
  }
}

class EveryClip : public ::testing::TestWithParam<Listed> {};

TEST_P(EveryClip, HasTheFramesThatDecordReads) {
  const Listed& listed = GetParam();
  auto video = VideoFrames::open(kClips + listed.name);
  ASSERT_TRUE(video.ok()) << video.status();
  EXPECT_EQ(video->info().width, listed.width);
  EXPECT_EQ(video->info().height, listed.height);
  const auto frames = read_all(kClips + listed.name, {.stride_follows_fps = false});
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), static_cast<std::size_t>(listed.frames));
  Hasher hasher;
  for (const Frame& frame : *frames) hasher.update(frame.image.pixels);
  EXPECT_EQ(hasher.finish().hex(), listed.sha256);
}

INSTANTIATE_TEST_SUITE_P(Data, EveryClip,
                         ::testing::ValuesIn(read_list(kClips + "frames.txt", true)),
                         test_name<::testing::TestParamInfo<Listed>>);

TEST(VideoFrames, KnowWhatTheContainerSays) {
  const auto video = VideoFrames::open(kClips + "rotated_90.mp4");
  ASSERT_TRUE(video.ok()) << video.status();
  EXPECT_EQ(video->info().width, 50);
  EXPECT_EQ(video->info().height, 70);
  EXPECT_EQ(video->info().rotation, 270);  // FFmpeg's `rotate` is counterclockwise
  EXPECT_EQ(video->info().average_fps, (Rational{30, 1}));
  EXPECT_EQ(video->info().declared_frames, 6);
  EXPECT_NEAR(video->info().declared_seconds, 0.2, 1e-6);
  EXPECT_EQ(video->info().container, "mp4");
  EXPECT_EQ(video->info().codec, "h264");
}

TEST(VideoFrames, StrideFollowsTheFrameRateAsInTheOriginal) {
  const auto indices = [](const std::string& name, const DecodeOptions& options) {
    std::vector<std::int64_t> out;
    const auto frames = read_all(kClips + name, options);
    if (!frames.ok()) ADD_FAILURE() << frames.status();
    for (const Frame& frame : *frames) out.push_back(frame.index);
    return out;
  };
  // 60 fps: int(60 / 24) = 2; 30 fps: 1; about 10 fps: never less than 1.
  EXPECT_THAT(indices("fps_60.mp4", {.sample_stride = 2}), ElementsAre(0, 4, 8, 12));
  EXPECT_THAT(indices("fps_60.mp4", {.sample_stride = 7, .stride_follows_fps = false}),
              ElementsAre(0, 7, 14));
  EXPECT_THAT(indices("h264.mp4", {.sample_stride = 4}), ElementsAre(0, 4));
  EXPECT_THAT(indices("variable_rate.mp4", {.sample_stride = 5}), ElementsAre(0, 5));
  EXPECT_THAT(indices("h264.mp4", {.sample_stride = 1'000'000}), ElementsAre(0));
}

TEST(VideoFrames, ReadAStableFileWithoutMovingItsPosition) {
  const auto file = StableFile::open(kClips + "h264.mp4");
  ASSERT_TRUE(file.ok());
  for (int round = 0; round < 2; ++round) {
    auto video = VideoFrames::open(*file);
    ASSERT_TRUE(video.ok()) << video.status();
    EXPECT_TRUE(video->next().value().has_value());
  }
  EXPECT_EQ(::lseek(file->fd(), 0, SEEK_CUR), 0);
}

TEST(VideoFrames, MayBeLeftAfterTheFirstOne) {
  auto video = VideoFrames::open(kGoldenPack + "videos/a.mp4");
  ASSERT_TRUE(video.ok());
  ASSERT_TRUE(video->next().ok());
  *video = VideoFrames::open(kGoldenPack + "videos/b.mp4").value();
  EXPECT_TRUE(video->next().ok());
}

TEST(VideoFrames, KeepTheFirstSizeWhenTheStreamChangesIt) {
  const auto frames = read_all(kClips + "size_changes.ts");
  ASSERT_TRUE(frames.ok()) << frames.status();
  EXPECT_EQ(frames->size(), 12u);
  for (const Frame& frame : *frames) {
    EXPECT_EQ(frame.image.width, 70);
    EXPECT_EQ(frame.image.height, 50);
  }
}

TEST(VideoFrames, OfATransportStreamThatBeginsWithinAPacketAreThoseThatAreWhole) {
  const TemporaryFolder folder;
  for (const char* name : {"h264.ts", "mpeg2.ts"}) {
    const auto whole = read_all(kClips + name);
    const auto rest = read_all(folder.write(name, read_file(kClips + name).substr(99)));
    ASSERT_TRUE(whole.ok() && rest.ok()) << rest.status();
    ASSERT_EQ(rest->size(), whole->size()) << name;
    EXPECT_TRUE(rest->front().image == whole->front().image) << name;
  }
}

TEST(VideoFrames, WorkWithoutStandardStreamsAndWithSignalsBlocked) {
  const auto exit_code = [] {
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    const auto frames = read_all(kClips + "h264.mp4");
    return frames.ok() && frames->size() == 6 ? 0 : 1;
  };
  EXPECT_EXIT(::_exit(exit_code()), ::testing::ExitedWithCode(0), "");
}

TEST(ProbeVideo, ReadsTheHeaderOnly) {
  const auto info = probe_video(kClips + "hevc_10bit.mkv");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->width, 70);
  EXPECT_EQ(info->container, "matroska");
  EXPECT_EQ(info->codec, "hevc");
  EXPECT_EQ(info->declared_frames, 0);  // Matroska does not say
}

TEST(CountFrames, Decodes) {
  EXPECT_EQ(count_frames(kClips + "vp9.webm").value(), 6);
  EXPECT_EQ(count_frames(kClips + "fps_60.mp4").value(), 15);
  EXPECT_EQ(count_frames(kClips + "missing.mp4").status().code(), StatusCode::kNotFound);
}

TEST(Rational, FindsTheFractionBehindADouble) {
  EXPECT_EQ(Rational::nearest(15), (Rational{15, 1}));
  EXPECT_EQ(Rational::nearest(30000.0 / 1001), (Rational{30000, 1001}));
  EXPECT_EQ(Rational::nearest(29.97), (Rational{2997, 100}));
  EXPECT_EQ(Rational::nearest(12.5), (Rational{25, 2}));
  EXPECT_EQ(Rational::nearest(-1), (Rational{0, 1}));
  EXPECT_EQ(Rational::nearest(std::nan("")), (Rational{0, 1}));
  EXPECT_NEAR(Rational::nearest(3.14159265358979).value(), 3.14159265358979, 1e-8);
}

}  // namespace
}  // namespace mimicfleet::av
