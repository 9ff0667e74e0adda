#include "common/av/video_writer.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cmath>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"

namespace mimicfleet::av {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kWidth = 64;
constexpr int kHeight = 48;

// A smooth picture that moves from frame to frame.
Image picture(int index) {
  Image image{.width = kWidth, .height = kHeight, .pixels = {}};
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      image.pixels.push_back(static_cast<std::uint8_t>(40 + 2 * x + index));
      image.pixels.push_back(static_cast<std::uint8_t>(60 + 2 * y));
      image.pixels.push_back(static_cast<std::uint8_t>(200 - x - y));
    }
  }
  return image;
}

Status write_video(const std::string& path, int frames,
                   VideoFormat format = {.width = kWidth, .height = kHeight}) {
  ASSIGN_OR_RETURN(auto writer, VideoWriter::create(path, format));
  for (int i = 0; i < frames; ++i) RETURN_IF_ERROR(writer.write(picture(i)));
  return writer.finish();
}

TEST(VideoWriter, IsReadBackNearlyAsItWas) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_video(folder / "a.mp4", 20).ok());
  const auto frames = read_all(folder / "a.mp4");
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 20u);
  double squares = 0;
  double count = 0;
  for (int i = 0; i < 20; ++i) {
    const Image original = picture(i);
    const Image& read = frames->at(static_cast<std::size_t>(i)).image;
    ASSERT_EQ(read.pixels.size(), original.pixels.size());
    for (std::size_t k = 0; k < read.pixels.size(); ++k, ++count) {
      squares += std::pow(static_cast<double>(read.pixels[k]) - original.pixels[k], 2);
    }
  }
  // A wrong colour matrix or range would cost more than 10 dB of this.
  EXPECT_GT(10 * std::log10(255 * 255 * count / squares), 40);
}

TEST(VideoWriter, TagsAndArrangesTheFileForBrowsers) {
  const TemporaryFolder folder;
  ASSERT_TRUE(
      write_video(folder / "a.mp4", 5, {.width = kWidth, .height = kHeight, .fps = {30000, 1001}})
          .ok());
  const std::string bytes = read_file(folder / "a.mp4");
  EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
  // colr: nclx, BT.709 primaries, transfer and matrix, limited range.
  EXPECT_NE(bytes.find(std::string("colrnclx\0\1\0\1\0\1\0", 15)), std::string::npos);
  EXPECT_EQ(bytes.find("Lavf"), std::string::npos);
  const auto info = probe_video(folder / "a.mp4");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->average_fps, (Rational{30000, 1001}));
  EXPECT_EQ(info->codec, "h264");
  EXPECT_EQ(info->declared_frames, 5);
  EXPECT_EQ(count_frames(folder / "a.mp4").value(), 5);
}

TEST(VideoWriter, WritesTheSameBytesForTheSameFrames) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_video(folder / "a.mp4", 30).ok());
  ASSERT_TRUE(write_video(folder / "b.mp4", 30).ok());
  EXPECT_EQ(sha256_file(folder / "a.mp4").value(), sha256_file(folder / "b.mp4").value());
  ASSERT_TRUE(
      write_video(folder / "c.mp4", 30, {.width = kWidth, .height = kHeight, .crf = 30}).ok());
  EXPECT_LT(std::filesystem::file_size(folder / "c.mp4"),
            std::filesystem::file_size(folder / "a.mp4"));
}

TEST(VideoWriter, TheWholeRangeOfQualitiesIsWritten) {
  const TemporaryFolder folder;
  for (const int crf : {0, 1, 51}) {
    const std::string path = folder / (std::to_string(crf) + ".mp4");
    const Status written = write_video(path, 3, {.width = kWidth, .height = kHeight, .crf = crf});
    ASSERT_TRUE(written.ok()) << crf << ": " << written;
    EXPECT_EQ(count_frames(path).value_or(0), 3) << crf;
  }
}

TEST(VideoWriter, WritesASingleFrame) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_video(folder / "a.mp4", 1).ok());
  EXPECT_EQ(count_frames(folder / "a.mp4").value(), 1);
}

TEST(VideoWriter, ShowsNothingUntilItFinishes) {
  const TemporaryFolder folder;
  {
    auto writer = VideoWriter::create(folder / "a.mp4", {.width = kWidth, .height = kHeight});
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(writer->write(picture(i)).ok());
    EXPECT_FALSE(std::filesystem::exists(folder / "a.mp4"));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(VideoWriter, WithoutFramesIsAnErrorAndNoFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_video(folder / "a.mp4", 0).code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(VideoWriter, RefusesFormatsThatItCannotWrite) {
  const TemporaryFolder folder;
  const auto code = [&](const VideoFormat& format) {
    return VideoWriter::create(folder / "a.mp4", format).status().code();
  };
  EXPECT_EQ(code({.width = 63, .height = 48}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.width = 0, .height = 48}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.width = 64, .height = 48, .fps = {0, 1}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.width = 64, .height = 48, .crf = 52}), StatusCode::kInvalidArgument);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(VideoWriter, IntoAMissingFolderNamesTheFile) {
  EXPECT_THAT(write_video("/nonexistent/a.mp4", 1).message(), HasSubstr("/nonexistent/a.mp4"));
}

TEST(VideoWriter, ReplacesAnEarlierVideoOnlyWhenItFinishes) {
  const TemporaryFolder folder;
  folder.write("a.mp4", "earlier");
  {
    auto writer = VideoWriter::create(folder / "a.mp4", {.width = kWidth, .height = kHeight});
    ASSERT_TRUE(writer->write(picture(0)).ok());
  }
  EXPECT_EQ(read_file(folder / "a.mp4"), "earlier");
  ASSERT_TRUE(write_video(folder / "a.mp4", 2).ok());
  EXPECT_EQ(count_frames(folder / "a.mp4").value(), 2);
  EXPECT_THAT(folder.names(), ElementsAre("a.mp4"));
}

// Eight frames that hardly compress; the file is a dozen pages.
Status write_noise(const std::string& path) {
  ASSIGN_OR_RETURN(auto writer,
                   VideoWriter::create(path, {.width = kWidth, .height = kHeight, .crf = 10}));
  std::srand(1);
  for (int i = 0; i < 8; ++i) {
    Image noise = picture(i);
    for (auto& value : noise.pixels) value = static_cast<std::uint8_t>(std::rand());
    RETURN_IF_ERROR(writer.write(std::move(noise)));
  }
  return writer.finish();
}

// Every size of a disk from one that holds nothing to one that holds all but the last page: the
// last ones fill up while the index is written and moved to the front.
TEST(VideoWriter, OnAFullDiskIsATypedErrorAndLeavesNothing) {
  const TemporaryFolder folder;
  int failures = 0;
  for (int pages = 1;; pages += 2) {
    const std::string size = "size=" + std::to_string(4 * pages) + "k";
    if (::mount("none", folder.path().c_str(), "tmpfs", 0, size.c_str()) != 0) {
      GTEST_SKIP() << "needs the right to mount a file system";
    }
    const Status status = write_noise(folder / "a.mp4");
    const auto names = folder.names();
    ::umount(folder.path().c_str());
    if (status.ok()) {
      EXPECT_THAT(names, ElementsAre("a.mp4"));
      break;
    }
    ++failures;
    ASSERT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(status.message(), HasSubstr("a.mp4: cannot be written: No space left on device"));
    EXPECT_THAT(names, IsEmpty());
  }
  EXPECT_GT(failures, 2);
}

// The same for every user, with the limit on the size of files.
TEST(VideoWriter, PastTheFileSizeLimitIsATypedErrorAndLeavesNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizer makes larger files itself";
#endif
  const TemporaryFolder folder;
  ASSERT_TRUE(write_noise(folder / "a.mp4").ok());
  const auto whole = std::filesystem::file_size(folder / "a.mp4");
  std::filesystem::remove(folder / "a.mp4");
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  for (const auto bytes : {std::uintmax_t{0}, whole / 2, whole - 1}) {
    const rlimit limit{bytes, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    const Status status = write_noise(folder / "a.mp4");
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(folder.names(), IsEmpty());
  }
}

}  // namespace
}  // namespace mimicfleet::av
