#include "common/files/read_text.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/temporary_folder.h"

namespace mimicfleet {
namespace {

TEST(ReadText, ReadsTheWholeFileUpToItsLimit) {
  TemporaryFolder folder;
  const std::string text(10'000, 'x');
  const std::string path = folder.write("f", text);
  EXPECT_EQ(*read_text(path, 10'000), text);
  EXPECT_EQ(read_text(path, 9'999).status().message(),
            path + ": is larger than the 9999 bytes that are allowed");
}

TEST(ReadText, AnEmptyFileIsEmptyText) {
  TemporaryFolder folder;
  EXPECT_EQ(*read_text(folder.write("f", ""), 0), "");
}

TEST(ReadText, AFolderIsNoFile) {
  TemporaryFolder folder;
  EXPECT_EQ(read_text(folder.path(), 100).status().code(), StatusCode::kBadInput);
  EXPECT_EQ(read_text(folder / "absent", 100).status().code(), StatusCode::kNotFound);
}

TEST(ReadText, ReadsAPipeToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "abc", 3), 3);
  ::close(ends[1]);
  EXPECT_EQ(*read_text(ends[0], "standard input", 100), "abc");
  ::close(ends[0]);
}

}  // namespace
}  // namespace mimicfleet
