#include "common/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::log {
namespace {

TEST(Log, ControlCharactersOfForeignTextAreMadeVisible) {
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("Größe.mp4"), "Größe.mp4");
}

// What `say` makes the log write to stderr, when the environment calls this stderr the journal's or
// not.
std::string logged(bool journal, const std::function<void()>& say) {
  ::testing::internal::CaptureStderr();
  struct stat status {};
  EXPECT_EQ(::fstat(STDERR_FILENO, &status), 0);
  const std::string stream = fmt::format("{}:{}", status.st_dev, status.st_ino + (journal ? 0 : 1));
  ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
  initialize("worker", "debug");
  say();
  ::unsetenv("JOURNAL_STREAM");
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, TheJournalGetsTheLevelAsSyslogCountsAndNoTime) {
  const auto say = [] {
    debug("d");
    info("i");
    warn("w");
    error("e");
  };
  EXPECT_EQ(logged(true, say), "<7>d\n<6>i\n<4>w\n<3>e\n");
}

TEST(Log, OthersGetTimeLevelAndProgramAlsoWhereTheEnvironmentIsAnInheritedOne) {
  EXPECT_THAT(logged(false, [] { info("i"); }),
              ::testing::MatchesRegex("20.* info \\[worker [0-9]+\\] i\n"));
}

}  // namespace
}  // namespace mimicfleet::log
