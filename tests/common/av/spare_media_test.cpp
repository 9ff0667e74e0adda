#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/media_child.h"
#include "common/av/video_writer.h"
#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"
#include "tests/patience.h"

namespace mimicfleet::av {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class SpareMedia : public ::testing::Test {
 protected:
  void SetUp() override { keep_spare_media(1); }
  void TearDown() override { keep_spare_media(0); }
};

std::vector<std::vector<std::uint8_t>> pixels_of(const std::string& path) {
  std::vector<std::vector<std::uint8_t>> pixels;
  const auto frames = read_all(path);
  EXPECT_TRUE(frames.ok()) << frames.status();
  if (frames.ok()) {
    for (const Frame& frame : *frames) pixels.push_back(frame.image.pixels);
  }
  return pixels;
}

TEST_F(SpareMedia, DoesWhatAProcessStartedForItDoesAndIsReplaced) {
  const std::vector<pid_t> first = spare_media();
  ASSERT_THAT(first, SizeIs(1));
  const auto with = pixels_of(kGoldenPack + "videos/a.mp4");
  const std::vector<pid_t> second = spare_media();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_NE(first, second);
  keep_spare_media(0);
  EXPECT_THAT(spare_media(), IsEmpty());
  EXPECT_EQ(with, pixels_of(kGoldenPack + "videos/a.mp4"));
  EXPECT_THAT(with, SizeIs(26));
}

TEST_F(SpareMedia, WritesVideosToo) {
  const TemporaryFolder folder;
  const Image frame{
      .width = 64, .height = 48, .pixels = std::vector<std::uint8_t>(Image::bytes(64, 48), 90)};
  for (const char* name : {"with.mp4", "without.mp4"}) {
    auto writer = VideoWriter::create(folder / name, {.width = 64, .height = 48});
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE(writer->write(frame).ok());
    ASSERT_TRUE(writer->finish().ok());
    keep_spare_media(0);
  }
  EXPECT_EQ(read_file(folder / "with.mp4"), read_file(folder / "without.mp4"));
}

TEST_F(SpareMedia, ThatDiedMeanwhileIsNotMissed) {
  ASSERT_THAT(spare_media(), SizeIs(1));
  const pid_t spare = spare_media().front();
  ASSERT_EQ(::kill(spare, SIGKILL), 0);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(spare), &info, WEXITED | WNOWAIT),
            0);  // dead, not yet reaped
  EXPECT_THAT(pixels_of(kGoldenPack + "videos/a.mp4"), SizeIs(26));
}

TEST_F(SpareMedia, IsInTheSandboxWhenItWorks) {
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto child = MediaChild::start({.name = "clip.mp4",
                                  .file = file.get(),
                                  .arguments = {"selftest", "--what=connect"},
                                  .order = RecordOrder(RecordOrder::Task::kDecode, 1, 1)});
  ASSERT_TRUE(child.ok()) << child.status();
  std::vector<std::uint8_t> payload;
  EXPECT_EQ((*child)->read(payload).status().code(), StatusCode::kFailedPrecondition);
}

// As in the test of the lifeline: when the parent is killed, what waits ends, too.
TEST(SpareMediaAlone, EndsWithItsParent) {
  int pids[2];
  ASSERT_EQ(::pipe(pids), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    keep_spare_media(1);
    const pid_t pid = spare_media().empty() ? -1 : spare_media().front();
    static_cast<void>(::write(pids[1], &pid, sizeof(pid)));
    for (;;) ::pause();
  }
  pid_t spare = -1;
  ASSERT_EQ(::read(pids[0], &spare, sizeof(spare)), static_cast<ssize_t>(sizeof(spare)));
  ASSERT_GT(spare, 0);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  const auto gone_or_zombie = [spare] {
    const std::string stat = read_file("/proc/" + std::to_string(spare) + "/stat");
    return stat.empty() || stat.find(") Z") != std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!gone_or_zombie() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  EXPECT_TRUE(gone_or_zombie());
  ::close(pids[0]);
  ::close(pids[1]);
}

}  // namespace
}  // namespace mimicfleet::av
