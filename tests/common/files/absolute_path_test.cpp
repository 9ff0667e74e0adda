#include "common/files/absolute_path.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace mimicfleet {
namespace {

TEST(AbsolutePath, StandsBelowTheWorkingFolderAndIsClean) {
  const std::string here = std::filesystem::current_path();
  EXPECT_EQ(absolute_path("a/../b/."), here + "/b");
  EXPECT_EQ(absolute_path("/a//b/"), "/a/b");
  EXPECT_EQ(absolute_path("."), here);
  EXPECT_EQ(absolute_path("/"), "/");
  EXPECT_EQ(absolute_path(""), "");
}

TEST(AbsolutePath, AWorkingFolderThatIsGoneIsNoCrash) {
  const std::string here = std::filesystem::current_path();
  {
    TemporaryFolder folder;
    ASSERT_EQ(::chdir(folder.path().c_str()), 0);
  }
  EXPECT_EQ(absolute_path("a/b/"), "a/b");
  ASSERT_EQ(::chdir(here.c_str()), 0);
}

}  // namespace
}  // namespace mimicfleet
