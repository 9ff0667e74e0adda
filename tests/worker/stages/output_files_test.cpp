#include "worker/stages/output_files.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "jobs/record_json.h"
#include "tests/worker/stages/temporary_folder.h"

namespace mimicfleet::stages {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class OutputFilesTest : public ::testing::Test {
 protected:
  OutputFilesTest() {
    fs::create_directory(folder_.path("_run"));
    std::ofstream(folder_.path("_run/nonce")) << "0123\n";
    target_.directory = folder_.path();
    target_.relative = "words/hello";
    target_.nonce = "0123";
  }
  Result<OutputFiles> open(const std::vector<std::string>& roots = {}) {
    const auto allowed = InputFiles::open(roots, digests_);
    EXPECT_TRUE(allowed.ok()) << allowed.status();
    return OutputFiles::open(target_, *allowed);
  }

  TemporaryFolder folder_;
  FileDigestCache digests_;
  jobs::OutputTarget target_;
};

TEST_F(OutputFilesTest, OnlyTheFoldersThatAreNeededAreMade) {
  const auto files = open();
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->video_path(), folder_.path("words/hello.mp4"));
  EXPECT_TRUE(fs::is_directory(folder_.path("words")));
  EXPECT_FALSE(fs::exists(folder_.path("_latents")));
  target_.save_latents = target_.save_frames = true;
  ASSERT_TRUE(open().ok());
  EXPECT_TRUE(fs::is_directory(folder_.path("_latents/words")));
  EXPECT_TRUE(fs::is_directory(folder_.path("_frames/words/hello")));
  EXPECT_EQ(files->frame_path(7), folder_.path("_frames/words/hello/000007.png"));
}

TEST_F(OutputFilesTest, AFolderThatIsNotTheClientsIsRefused) {
  for (const char* content : {"other", ""}) {
    std::ofstream(folder_.path("_run/nonce"), std::ios::trunc) << content;
    const auto files = open();
    ASSERT_FALSE(files.ok());
    EXPECT_EQ(files.status().code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(files.status().message(),
                HasSubstr(folder_.path() + ": the output folder is not shared"));
  }
  fs::remove_all(folder_.path("_run"));
  EXPECT_EQ(open().status().code(), StatusCode::kFailedPrecondition);
  target_.nonce = "";
  EXPECT_EQ(open().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(OutputFilesTest, AnOutputOutsideOfItsFolderOrOfTheRootsIsRefused) {
  EXPECT_TRUE(open({folder_.path()}).ok());
  EXPECT_FALSE(open({folder_.path("_run")}).ok());
  for (const char* relative : {"../x", "/x", "a/../../x", ""}) {
    target_.relative = relative;
    EXPECT_FALSE(open().ok()) << relative;
  }
}

TEST_F(OutputFilesTest, FramesOfAnEarlierRunAreRemovedAndNothingElse) {
  target_.save_frames = true;
  const auto files = open();
  ASSERT_TRUE(files.ok());
  std::ofstream(files->frame_path(0)) << "old";
  std::ofstream(files->frame_path(99)) << "old";
  std::ofstream(folder_.path("_frames/words/hello/mine.png")) << "keep";
  EXPECT_TRUE(files->clear_frames().ok());
  EXPECT_FALSE(fs::exists(files->frame_path(0)));
  EXPECT_FALSE(fs::exists(files->frame_path(99)));
  EXPECT_TRUE(fs::exists(folder_.path("_frames/words/hello/mine.png")));
}

TEST_F(OutputFilesTest, AFrameThatCannotBeRemovedIsNamedAlsoWhenOthersCan) {
  target_.save_frames = true;
  const auto files = open();
  ASSERT_TRUE(files.ok());
  fs::create_directories(files->frame_path(3) + "/not empty");
  for (const std::size_t frame : {0, 1, 2, 4, 5, 6, 7, 8})
    std::ofstream(files->frame_path(frame)) << "old";
  const Status status = files->clear_frames();
  EXPECT_THAT(status.message(), HasSubstr("000003.png: cannot be removed"));
  for (const std::size_t frame : {0, 1, 2, 4, 5, 6, 7, 8})
    EXPECT_FALSE(fs::exists(files->frame_path(frame)));
}

TEST_F(OutputFilesTest, FramesBeyondThoseOfThisRunAreRemoved) {
  target_.save_frames = true;
  const auto files = open();
  ASSERT_TRUE(files.ok());
  for (const std::size_t frame : {0, 1, 2}) std::ofstream(files->frame_path(frame)) << "old";
  EXPECT_TRUE(files->clear_frames(2).ok());
  EXPECT_TRUE(fs::exists(files->frame_path(1)));
  EXPECT_FALSE(fs::exists(files->frame_path(2)));
}

TEST_F(OutputFilesTest, TheRecordIsJsonBesideTheVideo) {
  const auto files = open();
  ASSERT_TRUE(files.ok());
  jobs::OutputRecord record;
  record.frames = 13;
  ASSERT_TRUE(files->write_record(record).ok());
  const auto text = read_text(folder_.path("words/hello.json"), 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(jobs::read_record(*text)->frames, 13);
}

}  // namespace
}  // namespace mimicfleet::stages
