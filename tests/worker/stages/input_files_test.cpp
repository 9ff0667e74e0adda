#include "worker/stages/input_files.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/stages/temporary_folder.h"

namespace mimicfleet::stages {
namespace {

using ::testing::HasSubstr;

class InputFilesTest : public ::testing::Test {
 protected:
  InputFilesTest() { std::ofstream(folder_.path("a.mp4")) << "content"; }

  [[nodiscard]] jobs::FileRef file() const { return {folder_.path("a.mp4"), sha256("content"), 7}; }
  Result<StableFile> open(const jobs::FileRef& file, const std::vector<std::string>& roots = {}) {
    const auto files = InputFiles::open(roots, digests_);
    if (!files.ok()) return files.status();
    return files->open_input(file);
  }

  TemporaryFolder folder_;
  FileDigestCache digests_;
};

TEST_F(InputFilesTest, AFileThatIsWhatItWasIsOpened) {
  const auto opened = open(file());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->digest(), sha256("content"));
}

TEST_F(InputFilesTest, AFileOfAnotherSizeOrContentHasChanged) {
  const auto before = file();
  std::ofstream(folder_.path("a.mp4")) << "CONTENT";
  EXPECT_EQ(open(before).status().code(), StatusCode::kInputChanged);
  std::ofstream(folder_.path("a.mp4")) << "longer content";
  const auto longer = open(before);
  EXPECT_EQ(longer.status().code(), StatusCode::kInputChanged);
  EXPECT_THAT(longer.status().message(), HasSubstr("a.mp4: is no longer what it was"));
}

TEST_F(InputFilesTest, AFileThatIsOnlyThereForTheClientIsExplained) {
  std::filesystem::remove(folder_.path("a.mp4"));
  const auto opened = open(file());
  EXPECT_EQ(opened.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(opened.status().message(),
              HasSubstr("is its folder shared with this worker's host?"));
}

// By these codes the coordinator knows that another worker may do the task.
TEST_F(InputFilesTest, WhateverIsWrongWithAFileThatTheClientReadIsThisHostsFailure) {
  const auto before = file();
  std::ofstream(folder_.path("a.mp4")) << "CONTENT";
  EXPECT_EQ(open(before).status().code(), StatusCode::kInputChanged)
      << "another file lies under its name";
  std::filesystem::remove(folder_.path("a.mp4"));
  std::filesystem::create_directory(folder_.path("a.mp4"));
  EXPECT_EQ(open(before).status().code(), StatusCode::kFailedPrecondition) << "a folder does";
  std::filesystem::create_directory(folder_.path("elsewhere"));
  EXPECT_EQ(open(before, {folder_.path("elsewhere")}).status().code(),
            StatusCode::kFailedPrecondition)
      << "it is below no root";
  std::filesystem::create_directory(folder_.path("root"));
  std::filesystem::create_directory_symlink(folder_.path("elsewhere"), folder_.path("root/link"));
  const jobs::FileRef linked{folder_.path("root/link/a.mp4"), sha256("content"), 7};
  EXPECT_EQ(open(linked, {folder_.path("root")}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(InputFilesTest, WithRootsOnlyWhatLiesBelowThemIsOpened) {
  std::filesystem::create_directory(folder_.path("allowed"));
  std::filesystem::copy(folder_.path("a.mp4"), folder_.path("allowed/b.mp4"));
  std::filesystem::create_symlink(folder_.path("a.mp4"), folder_.path("allowed/link.mp4"));
  const std::vector<std::string> roots = {folder_.path("allowed")};
  EXPECT_TRUE(open({folder_.path("allowed/b.mp4"), sha256("content"), 7}, roots).ok());
  EXPECT_THAT(open(file(), roots).status().message(), HasSubstr("--roots"));
  EXPECT_FALSE(open({folder_.path("allowed/link.mp4"), sha256("content"), 7}, roots).ok());
  EXPECT_FALSE(open({folder_.path("allowed/../a.mp4"), sha256("content"), 7}, roots).ok());
}

TEST_F(InputFilesTest, AnOutputFolderMustLieBelowARootToo) {
  std::filesystem::create_directories(folder_.path("allowed/out"));
  std::filesystem::create_directory(folder_.path("other"));
  std::filesystem::create_directory_symlink(folder_.path("other"), folder_.path("allowed/link"));
  const auto files = InputFiles::open({folder_.path("allowed")}, digests_);
  ASSERT_TRUE(files.ok());
  EXPECT_TRUE(files->check_output_folder(folder_.path("allowed/out")).ok());
  EXPECT_TRUE(files->check_output_folder(folder_.path("allowed")).ok());
  EXPECT_EQ(files->check_output_folder(folder_.path("other")).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_FALSE(files->check_output_folder(folder_.path("allowed/link")).ok());
  EXPECT_FALSE(files->check_output_folder(folder_.path("allowed/missing")).ok());
  EXPECT_TRUE(InputFiles::open({}, digests_)->check_output_folder(folder_.path("other")).ok());
}

}  // namespace
}  // namespace mimicfleet::stages
