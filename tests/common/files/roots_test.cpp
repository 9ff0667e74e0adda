#include "common/files/roots.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet {
namespace {

using ::testing::HasSubstr;

class RootsTest : public ::testing::Test {
 protected:
  RootsTest() {
    std::filesystem::create_directories(folder_ / "root/sub");
    folder_.write("root/sub/clip.mp4", "inside");
    folder_.write("secret", "outside");
    std::filesystem::create_symlink("../secret", folder_ / "root/link");
    std::filesystem::create_symlink("sub", folder_ / "root/linked_folder");
    root_.reset(::open((folder_ / "root").c_str(), O_PATH | O_DIRECTORY));
  }

  StatusCode code_of(std::string_view relative) {
    return open_beneath(root_.get(), relative).status().code();
  }

  TemporaryFolder folder_;
  UniqueFd root_;
};

TEST_F(RootsTest, OpensAFileInASubfolder) {
  auto fd = open_beneath(root_.get(), "sub/clip.mp4");
  ASSERT_TRUE(fd.ok()) << fd.status();
  char bytes[7] = {};
  EXPECT_EQ(::read(fd->get(), bytes, 6), 6);
  EXPECT_STREQ(bytes, "inside");
}

TEST_F(RootsTest, RefusesEveryWayOut) {
  for (const std::string_view path :
       {std::string_view("../secret"), std::string_view("sub/../../secret"),
        std::string_view("/etc/passwd"), std::string_view(""), std::string_view("."),
        std::string_view("sub//clip.mp4"), std::string_view("sub/"),
        std::string_view("sub/clip.mp4\0.mp4", 17)}) {
    EXPECT_EQ(code_of(path), StatusCode::kInvalidArgument) << path;
  }
}

TEST_F(RootsTest, RefusesSymbolicLinksInAnyComponent) {
  EXPECT_EQ(code_of("link"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("linked_folder/clip.mp4"), StatusCode::kInvalidArgument);
}

TEST_F(RootsTest, RefusesWhatIsNotAFile) {
  ASSERT_EQ(::mkfifo((folder_ / "root/pipe").c_str(), 0600), 0);
  EXPECT_EQ(code_of("sub"), StatusCode::kBadInput);
  EXPECT_EQ(code_of("pipe"), StatusCode::kBadInput);
  EXPECT_EQ(code_of("missing"), StatusCode::kNotFound);
}

TEST_F(RootsTest, OpenAbsolutePathsBelowOneOfThemOnly) {
  auto roots = Roots::open({folder_ / "root"});
  ASSERT_TRUE(roots.ok());
  EXPECT_TRUE(roots->open_file(folder_ / "root/sub/clip.mp4").ok());
  const auto outside = roots->open_file(folder_ / "secret");
  EXPECT_EQ(outside.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(outside.status().message(), HasSubstr("--roots"));
  EXPECT_FALSE(roots->open_file(folder_ / "root/../secret").ok());
  EXPECT_FALSE(roots->contain(folder_ / "root2/clip.mp4"));
}

TEST_F(RootsTest, NamesARootThatIsNotThere) {
  EXPECT_THAT(Roots::open({"/nonexistent"}).status().message(), HasSubstr("/nonexistent"));
}

}  // namespace
}  // namespace mimicfleet
