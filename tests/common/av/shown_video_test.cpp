// Videos that a viewer shows otherwise than their frames lie in the file.
#include <algorithm>
#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/video.h"
#include "tests/common/av/clips.h"
#include "tests/common/av/pictures.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::av {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kShown = kClips + "shown/";

struct Opened {
  VideoInfo info;
  ReadingNotes notes;
  std::vector<Frame> frames;
  std::vector<std::string> late_warnings;
};

Opened read_as(const std::string& path, Reading reading) {
  auto video = VideoFrames::open(path, {.stride_follows_fps = false, .reading = reading});
  CHECK(video.ok());
  Opened out{video->info(), video->notes(), {}, {}};
  for (auto frame = video->next();; frame = video->next()) {
    CHECK(frame.ok());
    if (!*frame) break;
    out.frames.push_back(*std::move(*frame));
  }
  out.late_warnings = video->late_warnings();
  return out;
}
Opened as_viewer(const std::string& path) { return read_as(path, Reading::viewer()); }
Opened as_original(const std::string& path) { return read_as(path, Reading::original()); }

// ---- display matrix

using Matrix = std::array<int, 4>;  // a b c d: a point (p, q) is shown at (a p + c q, b p + d q)

void put_number(std::string& bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<char>(value >> (24 - 8 * i));
}

// The clip with this matrix in its track header (ISO 14496-12, 8.3.2).
std::string with_matrix(const std::string& clip, const Matrix& matrix) {
  std::string bytes = read_file(clip);
  const std::size_t header = bytes.find("tkhd");
  CHECK(header != std::string::npos);
  const std::size_t at = header + 4 + 4 + 5 * 4 + 2 * 4 + 4 * 2;
  const auto fixed = [](int value) { return static_cast<std::uint32_t>(value) << 16; };
  put_number(bytes, at, fixed(matrix[0]));
  put_number(bytes, at + 4, fixed(matrix[1]));
  put_number(bytes, at + 12, fixed(matrix[2]));
  put_number(bytes, at + 16, fixed(matrix[3]));
  return bytes;
}

// Each point where the matrix puts it, moved so that none is negative.
Image put_by(const Matrix& matrix, const Image& in) {
  const auto [a, b, c, d] = matrix;
  Image out{.width = a == 0 ? in.height : in.width,
            .height = a == 0 ? in.width : in.height,
            .pixels = {}};
  out.pixels.resize(in.pixels.size());
  for (int q = 0; q < in.height; ++q) {
    for (int p = 0; p < in.width; ++p) {
      const int x = a * p + c * q + (a + c < 0 ? out.width - 1 : 0);
      const int y = b * p + d * q + (b + d < 0 ? out.height - 1 : 0);
      std::copy_n(in.pixels.data() + Image::bytes(in.width, q) + 3 * p, 3,
                  out.pixels.data() + Image::bytes(out.width, y) + 3 * x);
    }
  }
  return out;
}

class EveryOrientation : public ::testing::TestWithParam<Matrix> {};

TEST_P(EveryOrientation, IsShownAsAPlayerShowsIt) {
  const TemporaryFolder folder;
  const Matrix& matrix = GetParam();
  const auto plain = as_viewer(kClips + "h264.mp4").frames;
  const Opened shown =
      as_viewer(folder.write("turned.mp4", with_matrix(kClips + "h264.mp4", matrix)));
  ASSERT_EQ(shown.frames.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_TRUE(shown.frames[i].image == put_by(matrix, plain[i].image)) << "frame " << i;
  }
  const bool mirrors = matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0;
  EXPECT_EQ(shown.notes.done.text(), mirrors ? "upright.1" : "");
  EXPECT_THAT(shown.notes.warnings, IsEmpty());
}

TEST_P(EveryOrientation, WithWidePixelsIsMadeSquareBeforeItIsTurned) {
  const TemporaryFolder folder;
  const Matrix& matrix = GetParam();
  const auto plain = as_viewer(kShown + "wide_pixels.mp4").frames;
  const auto turned =
      as_viewer(folder.write("turned.mp4", with_matrix(kShown + "wide_pixels.mp4", matrix))).frames;
  ASSERT_EQ(plain[0].image.width, 93);
  EXPECT_TRUE(turned[0].image == put_by(matrix, plain[0].image));
}

INSTANTIATE_TEST_SUITE_P(All, EveryOrientation,
                         ::testing::Values(Matrix{1, 0, 0, 1}, Matrix{-1, 0, 0, 1},
                                           Matrix{-1, 0, 0, -1}, Matrix{1, 0, 0, -1},
                                           Matrix{0, 1, 1, 0}, Matrix{0, 1, -1, 0},
                                           Matrix{0, -1, -1, 0}, Matrix{0, -1, 1, 0}));

TEST(ShownVideo, TheOriginalTurnsButDoesNotMirror) {
  const TemporaryFolder folder;
  const std::string mirrored =
      folder.write("mirrored.mp4", with_matrix(kClips + "h264.mp4", Matrix{-1, 0, 0, 1}));
  const Opened read = as_original(mirrored);
  EXPECT_TRUE(read.frames[0].image ==
              put_by({-1, 0, 0, -1}, as_original(kClips + "h264.mp4").frames[0].image));
  EXPECT_TRUE(read.notes.done.empty());
  EXPECT_THAT(read.notes.warnings, ElementsAre(HasSubstr("stored mirrored")));
}

TEST(ShownVideo, AMatroskaProjectionThatIsRolledIsTurned) {
  const auto plain = as_viewer(kShown + "plain.mkv").frames;
  const auto rolled = as_viewer(kShown + "rolled_90.mkv").frames;
  EXPECT_TRUE(rolled[0].image == put_by({0, -1, 1, 0}, plain[0].image));
}

class TurnedByTheStream : public ::testing::TestWithParam<const char*> {};

TEST_P(TurnedByTheStream, IsShownAsAPlayerShowsIt) {
  const auto plain = as_original(kShown + "plain.mkv").frames;
  const Opened shown = as_viewer(kShown + GetParam());
  ASSERT_EQ(shown.frames.size(), plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_TRUE(shown.frames[i].image == put_by({0, 1, 1, 0}, plain[i].image)) << "frame " << i;
  }
  EXPECT_EQ(shown.info.width, plain[0].image.height);
  EXPECT_EQ(shown.notes.done.text(), "turned.1");
  EXPECT_THAT(shown.notes.warnings, IsEmpty());
  EXPECT_THAT(shown.late_warnings, IsEmpty());
}

TEST_P(TurnedByTheStream, IsTurnedByTheContainerAloneInTheOriginal) {
  const bool by_container = std::string(GetParam()).find("180") != std::string::npos;
  const int side = by_container ? -1 : 1;
  const Opened stored = as_original(kShown + GetParam());
  EXPECT_TRUE(stored.frames[0].image ==
              put_by({side, 0, 0, side}, as_original(kShown + "plain.mkv").frames[0].image));
  EXPECT_TRUE(stored.notes.done.empty());
  EXPECT_THAT(stored.notes.warnings, ElementsAre(HasSubstr("stored turned or mirrored")));
  EXPECT_THAT(stored.late_warnings, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Data, TurnedByTheStream,
                         ::testing::Values("turned_sei.mkv", "turned_sei.mp4", "turned_sei.ts",
                                           "turned_sei_and_180.mp4"));

TEST(ShownVideo, FramesThatAreTurnedOtherwiseLaterAreTold) {
  const TemporaryFolder folder;
  const std::string joined = folder.write(
      "joined.ts", read_file(kClips + "h264.ts") + read_file(kShown + "turned_sei.ts"));
  for (const Reading reading : {Reading::viewer(), Reading::original()}) {
    const Opened shown = read_as(joined, reading);
    EXPECT_EQ(shown.info.width, 70);
    EXPECT_TRUE(shown.notes == ReadingNotes());
    EXPECT_THAT(shown.late_warnings,
                ElementsAre(AllOf(HasSubstr("from frame 6 on"), HasSubstr("turned"))));
  }
}

// ---- pixels that are not square

struct Anamorphic {
  const char* name;
  int width;
  int height;
};
class NotSquare : public ::testing::TestWithParam<Anamorphic> {};

TEST_P(NotSquare, IsResampledToSquare) {
  const auto& [name, width, height] = GetParam();
  const Opened shown = as_viewer(kShown + name);
  const Opened stored = as_original(kShown + name);
  EXPECT_EQ(shown.info.width, width);
  EXPECT_EQ(shown.info.height, height);
  EXPECT_EQ(shown.notes.done.text(), "square.1");
  EXPECT_THAT(shown.notes.warnings, IsEmpty());
  EXPECT_EQ(stored.info.width, 70);
  EXPECT_EQ(stored.info.height, 50);
  EXPECT_GT(likeness(shown.frames[0].image, stretched(stored.frames[0].image, width, height)), 18);
  const auto probed = probe_video(kShown + name);
  EXPECT_EQ(probed->width, 70);
}

INSTANTIATE_TEST_SUITE_P(Data, NotSquare,
                         ::testing::Values(Anamorphic{"wide_pixels.mp4", 93, 50},
                                           Anamorphic{"wide_pixels.ts", 93, 50},
                                           Anamorphic{"wide_pixels.webm", 93, 50},
                                           Anamorphic{"wide_pixels.avi", 89, 50},
                                           Anamorphic{"wide_pixels_mpeg2.ts", 89, 50},
                                           Anamorphic{"high_pixels.mkv", 70, 67}));

TEST(ShownVideo, PixelsOfNoPlausibleShapeAreTakenForSquare) {
  const TemporaryFolder folder;
  std::string bytes = read_file(kShown + "wide_pixels.mp4");
  const std::size_t shape = bytes.find("pasp");
  ASSERT_NE(shape, std::string::npos);
  put_number(bytes, shape + 4, 4000);
  const Opened shown = as_viewer(folder.write("odd.mp4", bytes));
  EXPECT_EQ(shown.info.width, 70);
  EXPECT_TRUE(shown.notes.done.empty());
  EXPECT_THAT(shown.notes.warnings, ElementsAre(HasSubstr("not believed")));
}

TEST(ShownVideo, SquarePixelsNeverMakeMoreOfThemThanAreAllowed) {
  const TemporaryFolder folder;
  std::string bytes = read_file(kShown + "wide_pixels.mp4");
  put_number(bytes, bytes.find("pasp") + 4, 8);  // to 3
  const auto video =
      VideoFrames::open(folder.write("wider.mp4", bytes),
                        {.reading = Reading::viewer(), .limits = {.max_pixels = 100 * 64}});
  ASSERT_TRUE(video.ok()) << video.status();
  EXPECT_EQ(video->info().width, 70);
  EXPECT_EQ(video->info().height, 19);  // 50 * 3 / 8
}

// ---- HDR

TEST(ShownVideo, HdrHasTheTonesOfANormalScreen) {
  const Image sdr = read_image(kShown + "sdr.png").value();
  for (const char* name : {"hdr_pq.mp4", "hdr_hlg.mkv"}) {
    const Opened shown = as_viewer(kShown + name);
    EXPECT_EQ(shown.notes.done.text(), "tones.1");
    EXPECT_THAT(shown.notes.warnings, ElementsAre(AllOf(HasSubstr("HDR"), HasSubstr("tones"))));
    const double as_shown = likeness(shown.frames[0].image, sdr);
    const double as_stored = likeness(as_original(kShown + name).frames[0].image, sdr);
    EXPECT_GT(as_shown, 21) << name;
    EXPECT_GT(as_shown, as_stored + 2) << name;
  }
}

TEST(ShownVideo, AnOrdinaryVideoIsReadAsTheOriginalReadsIt) {
  for (const char* name :
       {"h264.mp4", "h264_10bit.mp4", "h264_bt709.mp4", "rotated_90.mp4", "animation.gif",
        "hevc_10bit.mkv", "mpeg2.ts", "mpeg4.avi", "mjpeg.avi", "prores.mov", "vp9.webm"}) {
    const Opened shown = as_viewer(kClips + name);
    const Opened stored = as_original(kClips + name);
    EXPECT_TRUE(shown.notes == ReadingNotes()) << name;
    EXPECT_THAT(shown.late_warnings, IsEmpty()) << name;
    ASSERT_EQ(shown.frames.size(), stored.frames.size()) << name;
    for (std::size_t i = 0; i < shown.frames.size(); ++i) {
      EXPECT_TRUE(shown.frames[i].image == stored.frames[i].image) << name;
    }
  }
}

// ---- interlaced

// By how much the frames are more like the first of their two moments than they were with both.
double gain_of_wholeness(const Opened& shown, const Opened& stored, const Opened& truth) {
  double gain = 0;
  const std::size_t frames = std::min(shown.frames.size(), truth.frames.size());
  for (std::size_t i = 0; i < frames; ++i) {
    gain += likeness(shown.frames[i].image, truth.frames[i].image) -
            likeness(stored.frames[i].image, truth.frames[i].image);
  }
  return gain / static_cast<double>(frames);
}

class Interlaced : public ::testing::TestWithParam<const char*> {};

TEST_P(Interlaced, IsMadeWhole) {
  const Opened shown = as_viewer(kShown + GetParam());
  const Opened stored = as_original(kShown + GetParam());
  EXPECT_EQ(shown.notes.done.text(), "progressive.1");
  EXPECT_THAT(shown.notes.warnings, ElementsAre(HasSubstr("interlaced")));
  EXPECT_THAT(stored.notes.warnings, ElementsAre(HasSubstr("interlaced")));
  ASSERT_EQ(shown.frames.size(), stored.frames.size());
  EXPECT_GT(gain_of_wholeness(shown, stored, as_original(kShown + "progressive.mp4")), 2);
}

INSTANTIATE_TEST_SUITE_P(Data, Interlaced,
                         ::testing::Values("interlaced.mp4", "interlaced.ts", "interlaced.avi",
                                           "interlaced.mov", "interlaced_mjpeg.mov"));

TEST(ShownVideo, WhatBecomesInterlacedLaterIsMadeWholeOrTold) {
  const Opened stored = as_original(kShown + "interlaced_late.ts");
  EXPECT_TRUE(stored.notes == ReadingNotes());
  EXPECT_THAT(stored.late_warnings,
              ElementsAre(AllOf(HasSubstr("from frame 8 on"), HasSubstr("interlaced"),
                                HasSubstr("bwdif"))));
  const Opened shown = as_viewer(kShown + "interlaced_late.ts");
  EXPECT_THAT(shown.late_warnings, IsEmpty());
  EXPECT_TRUE(shown.frames[7].image == stored.frames[7].image);
  EXPECT_FALSE(shown.frames[9].image == stored.frames[9].image);
}

TEST(ShownVideo, LateWarningsAreToldWithTheirFrameAndNotBefore) {
  auto video = VideoFrames::open(kShown + "interlaced_late.ts", {.stride_follows_fps = false});
  ASSERT_TRUE(video.ok()) << video.status();
  for (int frame = 0; frame < 8; ++frame) {
    ASSERT_TRUE(video->next().ok());
    EXPECT_THAT(video->late_warnings(), IsEmpty()) << frame;
  }
  ASSERT_TRUE(video->next().ok());
  EXPECT_EQ(video->late_warnings().size(), 1u);
}

TEST(ShownVideo, FramesThatAreNotUsedWarnOfNothing) {
  auto video = VideoFrames::open(kShown + "interlaced_late.ts", {.sample_stride = 100});
  ASSERT_TRUE(video.ok()) << video.status();
  while (video->next().value()) {
  }
  EXPECT_THAT(video->late_warnings(), IsEmpty());
}

TEST(ShownVideo, EveryFrameOfAnInterlacedOneIsCountedAlsoWithAStride) {
  const auto frames =
      read_all(kShown + "interlaced.mp4",
               {.sample_stride = 4, .stride_follows_fps = false, .reading = Reading::viewer()});
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 2u);
  const auto all = as_viewer(kShown + "interlaced.mp4").frames;
  EXPECT_TRUE(frames->at(1).image == all.at(4).image);
}

// ---- transparent

TEST(ShownVideo, WhatIsTransparentLiesOnWhite) {
  const Opened shown = as_viewer(kShown + "transparent.mov");
  const Opened stored = as_original(kShown + "transparent.mov");
  EXPECT_EQ(shown.notes.done.text(), "white.1");
  EXPECT_THAT(shown.notes.warnings, ElementsAre(HasSubstr("put on white")));
  const Image& image = shown.frames[0].image;
  for (int y = 0; y < image.height; y += 7) {
    EXPECT_THAT(color_at(image, 5, y), ElementsAre(255, 255, 255)) << y;
    EXPECT_THAT(color_at(image, 60, y), color_near(color_at(stored.frames[0].image, 60, y), 1));
  }
}

class AlphaBeside : public ::testing::TestWithParam<const char*> {};

TEST_P(AlphaBeside, LiesOnWhite) {
  const Opened shown = as_viewer(kShown + GetParam());
  const Opened stored = as_original(kShown + GetParam());
  EXPECT_EQ(shown.notes.done.text(), "white.1");
  EXPECT_THAT(shown.notes.warnings, ElementsAre(HasSubstr("put on white")));
  EXPECT_THAT(stored.notes.warnings, ElementsAre(HasSubstr("the colours below them are used")));
  ASSERT_EQ(shown.frames.size(), stored.frames.size());
  for (std::size_t i = 0; i < shown.frames.size(); ++i) {
    for (int y = 0; y < 50; y += 7) {
      EXPECT_THAT(color_at(shown.frames[i].image, 5, y), color_near({255, 255, 255}, 2)) << y;
      EXPECT_THAT(color_at(shown.frames[i].image, 60, y),
                  color_near(color_at(stored.frames[i].image, 60, y), 2));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Data, AlphaBeside,
                         ::testing::Values("transparent_vp8.webm", "transparent_vp9.webm"));

TEST(ShownVideo, WhatBecomesTransparentLaterLiesOnWhiteOrIsTold) {
  const Opened shown = as_viewer(kShown + "transparent_late.mov");
  const Opened stored = as_original(kShown + "transparent_late.mov");
  EXPECT_THAT(shown.late_warnings, IsEmpty());
  EXPECT_THAT(stored.late_warnings,
              ElementsAre(AllOf(HasSubstr("from frame 2 on"), HasSubstr("transparent"))));
  ASSERT_EQ(shown.frames.size(), 5u);
  for (const std::size_t opaque : {0, 1}) {
    EXPECT_TRUE(shown.frames[opaque].image == stored.frames[opaque].image);
  }
  for (const std::size_t transparent : {2, 3}) {
    EXPECT_THAT(color_at(shown.frames[transparent].image, 5, 9), ElementsAre(255, 255, 255));
    EXPECT_FALSE(color_at(stored.frames[transparent].image, 5, 9) == (Color{255, 255, 255}));
  }
}

}  // namespace
}  // namespace mimicfleet::av
