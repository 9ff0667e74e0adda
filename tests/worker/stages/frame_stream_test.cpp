#include "worker/stages/frame_stream.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/record.h"
#include "tests/paths.h"
#include "tests/worker/stages/temporary_folder.h"

namespace mimicfleet::stages {
namespace {

namespace fs = std::filesystem;

const std::string kVideo = source_path("tests/goldens/pack_a/videos/a.mp4");
const auto kNeverCancelled = [] { return false; };

Result<std::unique_ptr<FrameStream>> open(const std::string& path, std::size_t budget_bytes) {
  ASSIGN_OR_RETURN(StableFile file, StableFile::open(path));
  return FrameStream::open(std::move(file), 2, budget_bytes);
}

TEST(FrameStream, AllSampledFramesComeInOrderHoweverSmallTheBudget) {
  auto large = open(kVideo, 1 << 30);
  auto small = open(kVideo, 1);
  ASSERT_TRUE(large.ok() && small.ok()) << large.status() << small.status();
  EXPECT_EQ((*small)->stride(), 2);
  EXPECT_EQ((*small)->info().average_fps, (av::Rational{30000, 1001}));
  const auto all = (*large)->next(100, kNeverCancelled);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 13);
  std::vector<av::Image> pieces;
  for (;;) {
    auto piece = (*small)->next(4, kNeverCancelled);
    ASSERT_TRUE(piece.ok()) << piece.status();
    if (piece->empty()) break;
    for (auto& frame : *piece) pieces.push_back(std::move(frame));
  }
  EXPECT_EQ(pieces, *all);
  EXPECT_TRUE((*small)->next(1, kNeverCancelled)->empty());
}

TEST(FrameStream, FramesAreReadAsAViewerShowsThemIfThatIsAskedFor) {
  const std::string path = source_path("tests/common/av/data/shown/wide_pixels.mp4");
  for (const auto& [reading, width] :
       {std::pair{av::Reading::original(), 70}, {av::Reading::viewer(), 93}}) {
    auto file = StableFile::open(path);
    ASSERT_TRUE(file.ok());
    auto stream = FrameStream::open(*std::move(file), 1, 1 << 20, reading);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->info().width, width);
    EXPECT_EQ((*stream)->next(1, kNeverCancelled)->at(0).width, width);
  }
}

TEST(FrameStream, WhatTheDecoderToldComesWithTheFrameAndNotBefore) {
  auto file = StableFile::open(source_path("tests/common/av/data/shown/interlaced_late.ts"));
  ASSERT_TRUE(file.ok());
  auto stream = FrameStream::open(*std::move(file), 2, 1 << 30);
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_EQ((*stream)->next(4, kNeverCancelled)->size(), 4u);
  EXPECT_THAT((*stream)->warnings(), ::testing::IsEmpty());
  ASSERT_EQ((*stream)->next(1, kNeverCancelled)->size(), 1u);
  const auto told = (*stream)->warnings();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].frame, 4);
  EXPECT_THAT(told[0].text, ::testing::HasSubstr("from frame 8 on it is interlaced"));
}

TEST(FrameStream, AStreamThatNobodyReadsEndsAtOnce) {
  auto stream = open(kVideo, 1);
  ASSERT_TRUE(stream.ok()) << stream.status();
}

// A decoder that says what is in the video and then nothing more.
class HungDecoder {
 public:
  HungDecoder() {
    av::StreamInfo info;
    info.video.width = info.video.height = 64;
    info.video.container = "mp4";
    info.video.codec = "h264";
    const auto payload = av::encode_info(info);
    av::RecordHeader header;
    header.type = av::RecordType::kInfo;
    header.payload_bytes = payload.size();
    av::RecordHeader notes;  // that nothing is special about it
    notes.type = av::RecordType::kNotes;
    std::ofstream(folder_.path("info"), std::ios::binary)
        .write(reinterpret_cast<const char*>(&header), sizeof(header))
        .write(reinterpret_cast<const char*>(payload.data()), payload.size())
        .write(reinterpret_cast<const char*>(&notes), sizeof(notes));
    const std::string program = folder_.path("media");
    std::ofstream(program) << "#!/bin/sh\ncat '" << folder_.path("info")
                           << "' >&1\nexec sleep 600\n";
    fs::permissions(program, fs::perms::owner_all);
    ::setenv("MIMICFLEET_MEDIA", program.c_str(), 1);
  }
  ~HungDecoder() { ::unsetenv("MIMICFLEET_MEDIA"); }

 private:
  TemporaryFolder folder_;
};

TEST(FrameStream, AStreamWhoseDecoderHangsEndsAtOnceToo) {
  const HungDecoder decoder;
  const auto begin = std::chrono::steady_clock::now();
  {
    auto stream = open(kVideo, 1);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->next(1, [] { return true; }).status().code(), StatusCode::kCancelled);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(5))
      << "it waited for the decoder";
}

TEST(FrameStream, AVideoThatIsReplacedWhileItIsReadIsToldToHaveChanged) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.mp4");
  fs::copy(kVideo, path);
  auto stream = open(path, 1);
  ASSERT_TRUE(stream.ok()) << stream.status();
  fs::copy(kVideo, folder.path("other.mp4"));
  fs::rename(folder.path("other.mp4"), path);
  EXPECT_EQ((*stream)->next(100, kNeverCancelled).status().code(), StatusCode::kInputChanged);
}

TEST(FrameStream, ADamagedVideoIsAnErrorWithItsNameAndNoShorterVideo) {
  const TemporaryFolder folder;
  const std::string cut = folder.path("cut.mp4");
  std::filesystem::copy(kVideo, cut);
  std::filesystem::resize_file(cut, std::filesystem::file_size(cut) / 2);
  auto stream = open(cut, 1 << 30);
  Status status = stream.status();
  if (stream.ok()) {
    for (;;) {
      auto frames = (*stream)->next(4, kNeverCancelled);
      status = frames.status();
      if (!frames.ok() || frames->empty()) break;
    }
  }
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("cut.mp4"));
}

}  // namespace
}  // namespace mimicfleet::stages
