#include "worker/stages/frame_stream.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"
#include "tests/worker/stages/temporary_folder.h"

namespace mimicfleet::stages {
namespace {

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
  for (const auto& [reading, width] : {std::pair{av::Reading::original(), 70}, {av::Reading::viewer(), 93}}) {
    auto file = StableFile::open(path);
    ASSERT_TRUE(file.ok());
    auto stream = FrameStream::open(*std::move(file), 1, 1 << 20, reading);
    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ((*stream)->info().width, width);
    EXPECT_EQ((*stream)->next(1, kNeverCancelled)->at(0).width, width);
  }
}

TEST(FrameStream, AStreamThatNobodyReadsEndsAtOnce) {
  auto stream = open(kVideo, 1);
  ASSERT_TRUE(stream.ok()) << stream.status();
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
