#include "coordinator/client/quality.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/video_writer.h"
#include "coordinator/client/side_by_side.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

av::Image plain(int width, int height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(av::Image::bytes(width, height), value)};
}

av::Image noise(int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  av::Image image = plain(width, height, 0);
  for (auto& value : image.pixels) value = static_cast<std::uint8_t>(random() & 0xff);
  return image;
}

TEST(Quality, TheErrorIsTheMeanOfSquares) {
  EXPECT_EQ(mean_squared_error(plain(8, 8, 10), plain(8, 8, 10)), 0);
  EXPECT_EQ(mean_squared_error(plain(8, 8, 10), plain(8, 8, 13)), 9);
}

TEST(Quality, SimilarityIsOneOfEqualPicturesAndNearZeroOfUnrelatedOnes) {
  const av::Image image = noise(64, 48, 1);
  EXPECT_NEAR(structural_similarity(image, image), 1, 1e-12);
  EXPECT_LT(std::abs(structural_similarity(image, noise(64, 48, 2))), 0.1);
}

// Constant pictures have no structure: what remains is (2ab + c1) / (a^2 + b^2 + c1).
TEST(Quality, SimilarityOfConstantPicturesIsThatOfTheirMeans) {
  const double c1 = 0.01 * 255 * 0.01 * 255;
  const double expected = (2 * 100 * 150 + c1) / (100 * 100 + 150 * 150 + c1);
  EXPECT_NEAR(structural_similarity(plain(16, 16, 100), plain(16, 16, 150)), expected, 1e-9);
}

class QualityOfVideos : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::vector<av::Image>& frames) {
    const std::string path = folder_ / name;
    auto writer = av::VideoWriter::create(path, {frames[0].width, frames[0].height, {15, 1}, 0});
    EXPECT_TRUE(writer.ok()) << writer.status();
    for (const auto& frame : frames) EXPECT_TRUE(writer->write(frame).ok());
    EXPECT_TRUE(writer->finish().ok());
    return path;
  }
  TemporaryFolder folder_;
};

TEST_F(QualityOfVideos, EqualVideosHaveTheHighestPsnr) {
  const auto path = write("a.mp4", {plain(64, 64, 50), plain(64, 64, 60)});
  const auto quality = compare_videos(path, path);
  ASSERT_TRUE(quality.ok()) << quality.status();
  EXPECT_EQ(quality->frames, 2);
  EXPECT_EQ(quality->psnr_db, kPsnrOfEqual);
  EXPECT_NEAR(quality->ssim, 1, 1e-12);
}

TEST_F(QualityOfVideos, PsnrIsThatOfTheMeanErrorOfAllFrames) {
  const auto a = write("a.mp4", {plain(64, 64, 100), plain(64, 64, 100)});
  const auto b = write("b.mp4", {plain(64, 64, 100), plain(64, 64, 120)});
  const auto quality = compare_videos(b, a);
  ASSERT_TRUE(quality.ok()) << quality.status();
  EXPECT_NEAR(quality->psnr_db, 10 * std::log10(255.0 * 255 / 200),
              0.5);  // 8-bit YUV rounds a little
}

TEST_F(QualityOfVideos, OtherSizesOrLengthsAreNotCompared) {
  const auto a = write("a.mp4", {plain(64, 64, 100), plain(64, 64, 100)});
  const auto shorter = write("b.mp4", {plain(64, 64, 100)});
  const auto wider = write("c.mp4", {plain(128, 64, 100), plain(128, 64, 100)});
  EXPECT_THAT(compare_videos(shorter, a).status().message(),
              HasSubstr("have different numbers of frames"));
  EXPECT_THAT(compare_videos(wider, a).status().message(), HasSubstr("have different sizes"));
  EXPECT_THAT(write_side_by_side(folder_ / "x.mp4", {{a, {"a"}}, {shorter, {"b"}}}).message(),
              HasSubstr("b.mp4: has another size or length"));
  EXPECT_THAT(write_side_by_side(folder_ / "x.mp4", {{a, {"a"}}, {wider, {"c"}}}).message(),
              HasSubstr("c.mp4: has another size or length"));
}

TEST_F(QualityOfVideos, SideBySideEveryPanelHasItsLabelAboveItsVideo) {
  const auto a = write("a.mp4", {plain(64, 64, 200), plain(64, 64, 200)});
  const auto b = write("b.mp4", {plain(64, 64, 80), plain(64, 64, 80)});
  const std::string path = folder_ / "both.mp4";
  const Status written = write_side_by_side(path, {{a, {"IIIIIIIII"}}, {b, {"b"}}});
  ASSERT_TRUE(written.ok()) << written;
  auto film = av::VideoFrames::open(path, {});
  ASSERT_TRUE(film.ok()) << film.status();
  EXPECT_EQ(film->info().width, 128);
  EXPECT_GT(film->info().height, 64 + 8);
  const auto first = film->next();
  ASSERT_TRUE(first.ok() && first->has_value()) << first.status();
  const av::Image& picture = (*first)->image;
  const auto at = [&](int x, int y) {
    return int{picture.pixels[static_cast<std::size_t>((y * picture.width + x) * 3)]};
  };
  EXPECT_NEAR(at(32, picture.height - 20), 200, 6);
  EXPECT_NEAR(at(96, picture.height - 20), 80, 6);
  int light_left = 0;
  int light_right = 0;
  for (int y = 0; y < picture.height - 64; ++y) {
    for (int x = 0; x < 64; ++x) light_left += at(x, y) > 128 ? 1 : 0;
    for (int x = 64; x < 128; ++x) light_right += at(x, y) > 128 ? 1 : 0;
  }
  EXPECT_GT(light_left, 3 * light_right);
  EXPECT_GT(light_right, 5);
}

// The dots of one letter, row by row.
std::vector<std::string> dots(char letter) {
  av::Image image = plain(5, 7, 0);
  draw_text(image, 0, 0, std::string(1, letter), 1);
  std::vector<std::string> rows(7);
  for (std::size_t i = 0; i < 35; ++i) rows[i / 5] += image.pixels[i * 3] == 0 ? '.' : '#';
  return rows;
}

TEST(Labels, LettersAreDrawnInDots) {
  EXPECT_THAT(dots('t'),
              ElementsAre("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."));
  EXPECT_THAT(dots('4'),
              ElementsAre("...#.", "..##.", ".#.#.", "#..#.", "#####", "...#.", "...#."));
  EXPECT_EQ(dots('\x01'), dots('?'));
}

TEST(Labels, WhatDoesNotFitIsCutOff) {
  av::Image image = plain(4, 4, 0);
  draw_text(image, -3, -3, "WWW", 2);
  draw_text(image, 100, 100, "W", 2);
  EXPECT_EQ(image.pixels.size(), 48U);
}

TEST(Labels, LinesBreakAfterCommas) {
  EXPECT_THAT(wrapped("steps=4,guidance-scale=1", 12),
              ElementsAre("steps=4,", "guidance-sca", "le=1"));
  EXPECT_THAT(wrapped("short", 12), ElementsAre("short"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
