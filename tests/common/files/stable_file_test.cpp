#include "common/files/stable_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace mimicfleet {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class AStableFile : public ::testing::Test {
 protected:
  AStableFile() {
    set_age(path_, std::chrono::seconds(60));
    auto file = StableFile::open(path_);
    CHECK(file.ok());
    file_.emplace(std::move(*file));
  }

  void expect_changed(std::string_view how) const {
    const Status status = file_->check_unchanged();
    EXPECT_EQ(status.code(), StatusCode::kInputChanged);
    EXPECT_FALSE(status.retryable());
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr(how)));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.write("clip.mp4", "bytes");
  std::optional<StableFile> file_;
};

TEST_F(AStableFile, IsNamedByItsBytesAndUnchangedAtFirst) {
  EXPECT_EQ(file_->digest(), sha256("bytes"));
  EXPECT_TRUE(file_->check_unchanged().ok());
}

TEST_F(AStableFile, NoticesWriting) {
  folder_.write("clip.mp4", "BYTES");
  expect_changed("was written to");
}

TEST_F(AStableFile, NoticesReplacement) {
  std::filesystem::rename(folder_.write("other", "bytes"), path_);
  expect_changed("was replaced");
}

TEST_F(AStableFile, NoticesDeletion) {
  std::filesystem::remove(path_);
  expect_changed("was deleted");
}

TEST(StableFileOpen, NamesWhatIsNotAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(StableFile::open(folder / "missing").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(StableFile::open(folder.path()).status().message(), HasSubstr("is a folder"));
  ASSERT_EQ(::mkfifo((folder / "pipe.mp4").c_str(), 0600), 0);
  EXPECT_THAT(StableFile::open(folder / "pipe.mp4").status().message(), HasSubstr("is a pipe"));
  EXPECT_THAT(StableFile::open("/dev/null").status().message(), HasSubstr("is a device"));
}

}  // namespace
}  // namespace mimicfleet
