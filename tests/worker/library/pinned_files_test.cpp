#include "worker/library/pinned_files.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace mimicfleet::library {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class PinnedFilesTest : public ::testing::Test {
 protected:
  PinnedFilesTest() {
    write("the weights");
    EXPECT_EQ(pinned_.pin(path_).value_or(Digest()), sha256("the weights"));
  }
  // As a copy does that is put in place of the old file.
  void write(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    fs::rename(path_ + ".new", path_);
  }
  // What a load sees; `meanwhile` happens while the first one reads.
  Status read(const std::function<void()>& meanwhile = [] {}) {
    loads_ = 0;
    return pinned_.read([&]() -> Status {
      std::ifstream(path_) >> seen_;
      if (++loads_ == 1) meanwhile();
      return {};
    });
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path("model.safetensors");
  FileDigestCache digests_;
  PinnedFiles pinned_{digests_};
  std::string seen_;
  int loads_ = 0;
};

TEST_F(PinnedFilesTest, FilesThatAreAsTheyWereAreReadOnce) {
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(loads_, 1);
}

TEST_F(PinnedFilesTest, AFileThatWasReplacedIsNotRead) {
  write("other weights");
  const Status status = read();
  EXPECT_EQ(status.code(), StatusCode::kInputChanged);
  EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr("start the worker again")));
  EXPECT_EQ(loads_, 0);
  fs::remove(path_);
  EXPECT_EQ(read().code(), StatusCode::kInputChanged);
}

TEST_F(PinnedFilesTest, TheSameBytesInAnotherFileAreTaken) {
  write("the weights");
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(loads_, 1);
}

TEST_F(PinnedFilesTest, AFileThatIsReplacedWhileItIsReadIsNotUsed) {
  EXPECT_EQ(read([this] { write("other weights"); }).code(), StatusCode::kInputChanged);
  EXPECT_EQ(loads_, 1);
}

TEST_F(PinnedFilesTest, AFileThatIsWrittenAnewWhileItIsReadIsReadOnceMore) {
  EXPECT_TRUE(read([this] { write("the weights"); }).ok());
  EXPECT_EQ(loads_, 2);
}

TEST_F(PinnedFilesTest, WhatALoadSaysOfATornFileCountsLessThanThatItChanged) {
  const Status status = pinned_.read([&] {
    write("half");
    return Status(StatusCode::kBadInput, "is damaged");
  });
  EXPECT_EQ(status.code(), StatusCode::kInputChanged);
}

}  // namespace
}  // namespace mimicfleet::library
