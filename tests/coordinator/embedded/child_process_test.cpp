#include "coordinator/embedded/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "tests/common/files/temporary_folder.h"
#include "tests/patience.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::HasSubstr;

class Child : public ::testing::Test {
 protected:
  ChildProcess shell(const std::string& script, int pass_fd = -1) {
    ChildProcess::Options options;
    options.command = {"/bin/sh", "-c", script};
    options.log_path = folder_ / "log";
    options.pass_fd = pass_fd;
    auto child = ChildProcess::start(options);
    CHECK(child.ok());
    return *std::move(child);
  }
  TemporaryFolder folder_;
};

TEST_F(Child, WritesToItsLogAndTellsHowItEnded) {
  auto child = shell("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(child.wait_for(kPatience));
  EXPECT_EQ(child.exit_code(), 3);
  EXPECT_EQ(child.end_text(), "exited with 3");
  EXPECT_FALSE(child.ended_well());
  EXPECT_EQ(*read_text(folder_ / "log", 100), "out\nerr\n");
}

TEST_F(Child, IsEndedBySignalsToItsGroup) {
  auto child = shell("exec sleep 1000");
  EXPECT_TRUE(child.running());
  child.signal_group(SIGTERM);
  ASSERT_TRUE(child.wait_for(kPatience));
  EXPECT_EQ(child.exit_code(), std::nullopt);
  EXPECT_EQ(child.end_text(), "was killed by signal 15 (Terminated)");
}

// A pipe whose writing end only the children hold is at its end once all of them are gone.
TEST_F(Child, NothingOfItsGroupOutlivesItsOwner) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  {
    auto child =
        shell("trap '' TERM; (trap '' TERM; sleep 1000) & echo started >&3; wait", ends[1]);
    ::close(ends[1]);
    char started[8];
    ASSERT_EQ(::read(ends[0], started, 8), 8);
    child.signal_group(SIGTERM);
    EXPECT_TRUE(child.running());
  }
  char rest;
  EXPECT_EQ(::read(ends[0], &rest, 1), 0);
  ::close(ends[0]);
}

TEST_F(Child, ItsOwnGroupMeansThatTheTerminalsSignalsDoNotReachIt) {
  auto child = shell("exec sleep 1000");
  EXPECT_EQ(::getpgid(child.pid()), child.pid());
}

TEST_F(Child, AProgramThatIsNotThereIsNamed) {
  ChildProcess::Options options;
  options.command = {folder_ / "worker"};
  options.log_path = folder_ / "log";
  const auto child = ChildProcess::start(options);
  EXPECT_EQ(child.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(child.status().message(),
              HasSubstr(folder_ / "worker: No such file or directory; it belongs beside"));
}

TEST(LastErrorIn, FindsTheTextOfTheLastErrorLine) {
  TemporaryFolder folder;
  const auto log = folder.write("log",
                                "2024-05-01 12:00:00.000 info [worker 1] hello\n"
                                "2024-05-01 12:00:00.000 error [worker 1] first\n"
                                "2024-05-01 12:00:01.000 error [worker 1] models/x.pth: is empty\n"
                                "2024-05-01 12:00:02.000 info [worker 1] bye\n");
  EXPECT_EQ(last_error_in(log), "models/x.pth: is empty");
  EXPECT_EQ(last_error_in(folder.write("plain", "one\nSegmentation fault\n")),
            "Segmentation fault");
  EXPECT_EQ(last_error_in(folder / "absent"), "");
}

}  // namespace
}  // namespace mimicfleet::coordinator
