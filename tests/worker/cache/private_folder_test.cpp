#include "worker/cache/private_folder.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::cache {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class PrivateFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = ::testing::TempDir() + "private.XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = std::filesystem::canonical(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(PrivateFolderTest, ItIsMadeForItsOwnerOnly) {
  const auto claimed = PrivateFolder::claim(folder_ + "/a/b", "worker-cpu");
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_EQ(claimed->path(), folder_ + "/a/b/worker-cpu");
  struct stat info {};
  ASSERT_EQ(::stat(claimed->path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700);
}

TEST_F(PrivateFolderTest, ASecondWorkerGetsAnotherFolderEvenThroughALink) {
  std::filesystem::create_directory_symlink(folder_, folder_ + "/link");
  const auto first = PrivateFolder::claim(folder_, "worker-cpu");
  const auto second = PrivateFolder::claim(folder_ + "/link", "worker-cpu");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second->path(), folder_ + "/worker-cpu-2");
}

TEST_F(PrivateFolderTest, AFolderThatWasGivenUpIsClaimedAgain) {
  std::optional first = PrivateFolder::claim(folder_, "worker-cpu");
  first.reset();
  const auto next = PrivateFolder::claim(folder_, "worker-cpu");
  ASSERT_TRUE(next.ok());
  EXPECT_THAT(next->path(), EndsWith("/worker-cpu"));
}

TEST_F(PrivateFolderTest, AFileInTheWayIsNamed) {
  std::ofstream(folder_ + "/file") << "x";
  const auto claimed = PrivateFolder::claim(folder_ + "/file", "worker-cpu");
  ASSERT_FALSE(claimed.ok());
  EXPECT_THAT(claimed.status().message(), HasSubstr(folder_ + "/file"));
}

}  // namespace
}  // namespace mimicfleet::cache
