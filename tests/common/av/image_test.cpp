#include "common/av/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::av {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EveryImage : public ::testing::TestWithParam<Listed> {};

TEST_P(EveryImage, HasThePixelsThatPillowReads) {
  const Listed& listed = GetParam();
  const auto image = read_image(kImages + listed.name);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, listed.width);
  EXPECT_EQ(image->height, listed.height);
  EXPECT_EQ(Hasher().update(image->pixels).finish().hex(), listed.sha256);
}

INSTANTIATE_TEST_SUITE_P(Data, EveryImage,
                         ::testing::ValuesIn(read_list(kImages + "pixels.txt", false)),
                         test_name<::testing::TestParamInfo<Listed>>);

class BadImage : public ::testing::Test {
 protected:
  void expect_error(const std::string& path, StatusCode code, std::string_view cause,
                    const ImageLimits& limits = {}) const {
    const auto image = read_image(path, limits);
    ASSERT_FALSE(image.ok());
    EXPECT_EQ(image.status().code(), code) << image.status();
    EXPECT_THAT(image.status().message(), AllOf(HasSubstr(path), HasSubstr(cause)));
  }

  // A file of the data, cut after some of its bytes.
  [[nodiscard]] std::string cut(const std::string& name, unsigned percent) const {
    const std::string bytes = read_file(kImages + name);
    return folder_.write("cut_" + name, bytes.substr(0, bytes.size() * percent / 100));
  }

  TemporaryFolder folder_;
};

TEST_F(BadImage, MissingEmptyOrSomethingElseIsNamed) {
  expect_error(folder_ / "missing.png", StatusCode::kNotFound, "No such file");
  expect_error(folder_.write("empty.png", ""), StatusCode::kBadInput, "is empty (0 bytes)");
  expect_error(folder_.write("text.png", "hello\n"), StatusCode::kBadInput,
               "is a text file, not a PNG");
  expect_error(kClips + "h264.mp4", StatusCode::kBadInput, "is an MP4, not a PNG");
  expect_error(folder_.path(), StatusCode::kBadInput, "is a folder");
}

TEST_F(BadImage, CutShortIsAnErrorAndNoHalfPicture) {
  for (const char* name :
       {"rgb.png", "chroma_444.jpg", "progressive.jpg", "lossy.webp", "grey_16bit.png"}) {
    expect_error(cut(name, 70), StatusCode::kBadInput, "is damaged or truncated");
    expect_error(cut(name, 10), StatusCode::kBadInput, "is damaged or truncated");
  }
}

TEST_F(BadImage, AboveTheLimitsIsRefusedBeforeItsPixelsAreRead) {
  for (const char* name : {"rgb.png", "chroma_444.jpg", "lossy.webp"}) {
    expect_error(kImages + name, StatusCode::kBadInput, "more than the limit of 300",
                 {.max_pixels = 300});
  }
  expect_error(kImages + "rgb.png", StatusCode::kBadInput, "more than the limit of 100",
               {.max_file_bytes = 100});
}

TEST_F(BadImage, WithAHugeHeaderInATinyFileIsRefused) {
  std::string bytes = read_file(kImages + "rgb.png");
  bytes.replace(16, 8,
                std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));  // IHDR: width and height
  expect_error(folder_.write("huge.png", bytes), StatusCode::kBadInput, "huge.png: ");
}

TEST(WritePng, IsReadBackExactlyAndTheSameEveryTime) {
  const TemporaryFolder folder;
  const Image image = read_image(kImages + "rgb.png").value();
  ASSERT_TRUE(write_png(folder / "a.png", image).ok());
  ASSERT_TRUE(write_png(folder / "b.png", image).ok());
  EXPECT_TRUE(read_image(folder / "a.png").value() == image);
  EXPECT_EQ(read_file(folder / "a.png"), read_file(folder / "b.png"));
}

TEST(WritePng, LeavesNothingBehindWhenItFails) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "taken.png");
  const Status status = write_png(folder / "taken.png", read_image(kImages + "rgb.png").value());
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(folder.names(), ElementsAre("taken.png"));
}

}  // namespace
}  // namespace mimicfleet::av
