#include "common/files/digest_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet {
namespace {

using std::chrono::seconds;

// Changes a file's bytes behind the back of its size and time stamp, so that a digest tells whether
// the file was read or remembered.
void replace_secretly(const std::string& path, std::string_view content) {
  const auto time = std::filesystem::last_write_time(path);
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << content;
  std::filesystem::last_write_time(path, time);
}

TEST(FileDigestCache, ReadsAFileOnceAcrossProcesses) {
  const TemporaryFolder folder;
  const std::string file = folder.write("model", "aaaa");
  set_age(file, seconds(60));
  ASSERT_EQ(FileDigestCache(folder / "state/digests").digest(file).value(), sha256("aaaa"));
  replace_secretly(file, "bbbb");
  EXPECT_EQ(FileDigestCache(folder / "state/digests").digest(file).value(), sha256("aaaa"));
  EXPECT_EQ(FileDigestCache().digest(file).value(), sha256("bbbb"));
}

TEST(FileDigestCache, NoticesAChangedFile) {
  const TemporaryFolder folder;
  const std::string file = folder.write("model", "aaaa");
  set_age(file, seconds(60));
  FileDigestCache cache(folder / "digests");
  ASSERT_EQ(cache.digest(file).value(), sha256("aaaa"));
  replace_secretly(file, "bbbb");
  set_age(file, seconds(30));
  EXPECT_EQ(cache.digest(file).value(), sha256("bbbb"));
}

TEST(FileDigestCache, DoesNotTrustTheTimeStampOfAFileJustWritten) {
  const TemporaryFolder folder;
  const std::string file = folder.write("model", "aaaa");
  FileDigestCache cache(folder / "digests");
  ASSERT_EQ(cache.digest(file).value(), sha256("aaaa"));
  replace_secretly(file, "bbbb");
  EXPECT_EQ(cache.digest(file).value(), sha256("bbbb"));
}

TEST(FileDigestCache, SkipsDamagedLinesAndKeepsTheOthers) {
  const TemporaryFolder folder;
  const std::string first = folder.write("first", "1111");
  const std::string second = folder.write("second", "2222");
  set_age(first, seconds(60));
  set_age(second, seconds(60));
  {
    FileDigestCache cache(folder / "digests");
    ASSERT_TRUE(cache.digest(first).ok());
    ASSERT_TRUE(cache.digest(second).ok());
  }
  std::string store = read_file(folder / "digests");
  const auto at = store.find(sha256("1111").hex());
  ASSERT_NE(at, std::string::npos);
  store[at] = store[at] == '0' ? '1' : '0';
  folder.write("digests", "\xff\xfe garbage" + store + "v1 12 34 torn");
  replace_secretly(first, "3333");
  replace_secretly(second, "4444");
  FileDigestCache cache(folder / "digests");
  EXPECT_EQ(cache.digest(first).value(), sha256("3333"));
  EXPECT_EQ(cache.digest(second).value(), sha256("2222"));
}

TEST(FileDigestCache, WorksWithAStoreThatCannotBeWritten) {
  const TemporaryFolder folder;
  const std::string file = folder.write("model", "aaaa");
  set_age(file, seconds(60));
  EXPECT_EQ(FileDigestCache("/proc/nonexistent/digests").digest(file).value(), sha256("aaaa"));
  EXPECT_EQ(FileDigestCache(folder.path()).digest(file).value(), sha256("aaaa"));
}

TEST(FileDigestCache, SeveralProcessesMayAppendAtOnce) {
  const TemporaryFolder folder;
  constexpr int kProcesses = 4;
  constexpr int kFiles = 25;
  std::vector<std::string> files;
  for (int i = 0; i < kProcesses * kFiles; ++i) {
    files.push_back(folder.write(std::to_string(i) + ".bin", std::to_string(i)));
    set_age(files.back(), seconds(60));
  }
  for (int process = 0; process < kProcesses; ++process) {
    if (::fork() != 0) continue;
    FileDigestCache cache(folder / "digests");
    bool ok = true;
    for (int i = 0; i < kFiles; ++i) ok &= cache.digest(files[i * kProcesses + process]).ok();
    ::_exit(ok ? 0 : 1);
  }
  for (int i = 0; i < kProcesses; ++i) {
    int status = 0;
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    replace_secretly(files[i], std::string(std::to_string(i).size(), '#'));
  }
  FileDigestCache cache(folder / "digests");
  for (std::size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(cache.digest(files[i]).value(), sha256(std::to_string(i))) << files[i];
  }
}

}  // namespace
}  // namespace mimicfleet
