#include "common/files/list_folder.h"

#include <dirent.h>

#include <cerrno>

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace {

// How many entries are still read before reading fails, as that of a file system that goes away;
// -1: all.
int readable_entries = -1;

}  // namespace

// Takes the place of libc's, also for libstdc++.
extern "C" dirent* readdir(DIR* folder) {
  static const auto real = reinterpret_cast<dirent* (*)(DIR*)>(::dlsym(RTLD_NEXT, "readdir"));
  if (readable_entries == 0) {
    errno = EIO;
    return nullptr;
  }
  if (readable_entries > 0) --readable_entries;
  return real(folder);
}

namespace mimicfleet {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ListFolder : public ::testing::Test {
 protected:
  void TearDown() override { readable_entries = -1; }

  TemporaryFolder folder_;
};

TEST_F(ListFolder, HasAllThatLiesInItAndNothingBelow) {
  folder_.write("a", "");
  folder_.write(".b", "");
  std::filesystem::create_directories(folder_ / "c/d");
  const auto listed = list_folder(folder_.path());
  ASSERT_TRUE(listed.ok()) << listed.status();
  std::vector<std::string> names;
  for (const auto& entry : *listed) names.push_back(entry.path().filename());
  EXPECT_THAT(names, UnorderedElementsAre("a", ".b", "c"));
}

TEST_F(ListFolder, AFolderThatCannotBeReadToItsEndIsAnErrorThatNamesIt) {
  for (const char* name : {"a", "b", "c"}) folder_.write(name, "");
  for (const int readable : {0, 1, 2, 3, 4}) {  // of ".", "..", a, b and c
    readable_entries = readable;
    const auto listed = list_folder(folder_.path());
    EXPECT_EQ(listed.status().code(), StatusCode::kFailedPrecondition) << readable;
    EXPECT_THAT(listed.status().message(),
                AllOf(HasSubstr(folder_.path()), HasSubstr("Input/output error")));
  }
}

TEST_F(ListFolder, AFolderThatIsNotThereIsNotFound) {
  EXPECT_EQ(list_folder(folder_ / "none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(list_folder(folder_.write("file", "")).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mimicfleet
