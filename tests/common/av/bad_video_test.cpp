#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/video.h"
#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"

// Each bad input has a message that names the file, the cause and what to do.
namespace mimicfleet::av {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadVideo : public ::testing::Test {
 protected:
  void expect_error(const std::string& path, StatusCode code, std::string_view cause,
                    const DecodeLimits& limits = {}) const {
    const auto frames = read_all(path, {.limits = limits});
    ASSERT_FALSE(frames.ok()) << "has " << frames->size() << " frames";
    EXPECT_EQ(frames.status().code(), code) << frames.status();
    EXPECT_THAT(frames.status().message(),
                AllOf(HasSubstr(path + ": "), HasSubstr(cause), Not(HasSubstr("\n"))));
  }

  [[nodiscard]] std::string with_change(const std::string& name, const std::string& from,
                                        std::size_t offset, const std::string& to) const {
    std::string bytes = read_file(kClips + name);
    std::size_t changes = 0;
    for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1)) {
      bytes.replace(at + offset, to.size(), to);
      ++changes;
    }
    CHECK(changes > 0);
    return folder_.write("changed_" + name, bytes);
  }

  TemporaryFolder folder_;
};

TEST_F(BadVideo, Missing) {
  expect_error(folder_ / "a.mp4", StatusCode::kNotFound, "No such file");
}

TEST_F(BadVideo, NotReadableByThisUser) {
  const std::string path = folder_.write("a.mp4", read_file(kClips + "h264.mp4"));
  ::chmod(path.c_str(), 0);
  const auto exit_code = [&path] {
    ::chmod(std::filesystem::path(path).parent_path().c_str(), 0755);
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 2;
    const Status status = VideoFrames::open(path).status();
    return status.code() == StatusCode::kFailedPrecondition &&
                   status.message().find("Permission denied; give this user the right") !=
                       std::string::npos
               ? 0
               : 1;
  };
  EXPECT_EXIT(::_exit(exit_code()), ::testing::ExitedWithCode(0), "");
}

TEST_F(BadVideo, AFolderOrAPipe) {
  expect_error(folder_.path(), StatusCode::kBadInput, "is a folder, not a file");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.mp4").c_str(), 0600), 0);
  expect_error(folder_ / "pipe.mp4", StatusCode::kBadInput, "is a pipe, not a file");
}

TEST_F(BadVideo, Empty) {
  expect_error(folder_.write("a.mp4", ""), StatusCode::kBadInput, "is empty (0 bytes)");
}

TEST_F(BadVideo, WhatADownloadLeftInItsPlace) {
  const std::string pointer =
      folder_.write("a.mp4", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  const std::string page = folder_.write("b.mp4", "\n<!doctype html>\n<html><title>404</title>");
  expect_error(pointer, StatusCode::kBadInput,
               "is a Git LFS pointer, not the file itself; fetch it with");
  expect_error(page, StatusCode::kBadInput,
               "is a web page, not the file itself; download it again");
  EXPECT_THAT(read_image(pointer).status().message(), HasSubstr("`git lfs pull`"));
  EXPECT_THAT(read_image(page).status().message(), HasSubstr("is a web page"));
}

TEST_F(BadVideo, TextOrAPlaylistNamedMp4) {
  expect_error(folder_.write("a.mp4", "dear diary,\n"), StatusCode::kBadInput,
               "is a text file, not a video");
  expect_error(
      folder_.write("b.mp4", "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n"),
      StatusCode::kBadInput, "is a playlist (M3U8), not a video");
  expect_error(folder_.write("c.mp4", "ffconcat version 1.0\nfile " + kClips + "h264.mp4\n"),
               StatusCode::kBadInput, "is a playlist (ffconcat), not a video");
  expect_error(folder_.write("d.mp4", std::string(5000, '\0')), StatusCode::kBadInput,
               "is filled with zeros");
  expect_error(kGoldenPack + "ref.png", StatusCode::kBadInput, "is a PNG image, not a video");
}

TEST_F(BadVideo, WithoutAVideoStream) {
  expect_error(kClips + "sound_only.m4a", StatusCode::kBadInput, "has no video stream, only sound");
  expect_error(kClips + "sound_with_cover.m4a", StatusCode::kBadInput,
               "only sound with a cover picture");
}

TEST_F(BadVideo, OfAContainerOrCodecThatIsNotSupported) {
  expect_error(kClips + "flash.flv", StatusCode::kUnsupported,
               "is a Flash video, which is not supported");
  expect_error(kClips + "theora.mkv", StatusCode::kUnsupported, "uses the codec theora");
}

// A container that says how long it is gives an error before any frame, wherever it is cut.
class CutShort : public BadVideo, public ::testing::WithParamInterface<const char*> {};

TEST_P(CutShort, IsAnErrorAndNoShorterVideo) {
  const std::string bytes = read_file(kClips + GetParam());
  for (const unsigned percent : {30u, 60u, 95u}) {
    const std::string path =
        folder_.write(GetParam(), bytes.substr(0, bytes.size() * percent / 100));
    expect_error(path, StatusCode::kBadInput, "is truncated");
    EXPECT_EQ(probe_video(path).status().code(), StatusCode::kBadInput);
  }
}

INSTANTIATE_TEST_SUITE_P(BadVideo, CutShort,
                         ::testing::Values("h264.mp4", "h264_fragmented.mp4", "hevc_10bit.mkv",
                                           "vp9.webm", "mpeg4.avi"));

// One that does not say gives an error if the cut went through a frame.
TEST_F(BadVideo, AStreamThatEndsWithinAFrame) {
  const std::string stream = read_file(kClips + "h264.ts");
  expect_error(folder_.write("a.ts", stream.substr(0, stream.size() / 2)), StatusCode::kBadInput,
               "is damaged");
}

TEST_F(BadVideo, AnMp4WithoutItsIndex) {
  const std::string bytes = read_file(kClips + "h264.mp4");
  expect_error(folder_.write("a.mp4", bytes.substr(0, bytes.find("moov") - 4)),
               StatusCode::kBadInput, "without its index (moov)");
}

TEST_F(BadVideo, WithFramesMissingFromItsEnd) {
  // The index is first, as in every video that we write; the frames are cut.
  const std::string bytes = read_file(kGoldenPack + "videos/a.mp4");
  expect_error(folder_.write("a.mp4", bytes.substr(0, bytes.size() - 100)), StatusCode::kBadInput,
               "is truncated");
}

TEST_F(BadVideo, DamagedInTheMiddleIsNotAShorterVideo) {
  std::string bytes = read_file(kGoldenPack + "videos/a.mp4");
  for (std::size_t at = bytes.size() / 2; at < bytes.size() / 2 + 4000; at += 3) bytes[at] ^= 0x55;
  expect_error(folder_.write("a.mp4", bytes), StatusCode::kBadInput, "is damaged: frame ");
}

TEST_F(BadVideo, LargerThanTheLimit) {
  expect_error(kClips + "size_8k.mp4", StatusCode::kBadInput,
               "7680x4320 pixels, more than the limit of 9437184");
  expect_error(kClips + "h264.mp4", StatusCode::kBadInput,
               "70x50 pixels, more than the limit of 3499", {.max_pixels = 3499});
}

TEST_F(BadVideo, WithAHugePictureInATinyFile) {
  // A JPEG's start of frame: precision, height, width.
  const std::string path =
      with_change("mjpeg.avi", std::string("\xff\xc0\x00\x11\x08", 5), 5, "\xff\xff\xff\xff");
  expect_error(path, StatusCode::kBadInput, "");
}

TEST_F(BadVideo, LongerThanTheLimit) {
  expect_error(kClips + "h264.mp4", StatusCode::kBadInput, "has more than 5 frames, the limit",
               {.max_frames = 5});
}

TEST_F(BadVideo, WithALyingHeaderCountsWhatItDecodes) {
  // mvhd: version and flags, two times, time scale, duration.
  const std::string huge_duration = std::string("\x7f\xff\xff\xff", 4);
  EXPECT_EQ(count_frames(with_change("h264.mp4", "mvhd", 20, huge_duration)).value(), 6);
  // The sample description's width and height: the stream's own win.
  const auto frames = read_all(with_change("h264.mp4", "avc1", 28, "\xff\xff\xff\xff"));
  EXPECT_TRUE(!frames.ok() || frames->front().image.width == 70);
}

}  // namespace
}  // namespace mimicfleet::av
