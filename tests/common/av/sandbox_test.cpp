#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/av/media_child.h"
#include "common/av/video.h"
#include "common/av/video_writer.h"
#include "tests/common/av/clips.h"
#include "tests/common/files/temporary_folder.h"
#include "tests/patience.h"

namespace mimicfleet::av {
namespace {

using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // the sanitizers' run time needs what the sandbox forbids
#else
constexpr bool kSanitized = false;
#endif

constexpr std::int64_t kMemoryBytes = 512 << 20;

// What comes of one self-test of the program, which runs in the sandbox.
Status self_test(const std::string& what, int wait_seconds = 20) {
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto child = MediaChild::start({.name = "clip.mp4",
                                  .file = file.get(),
                                  .arguments = {"selftest", "--what=" + what, "--cpu-seconds=1",
                                                "--memory-bytes=" + std::to_string(kMemoryBytes)},
                                  .wait_seconds = wait_seconds,
                                  .order = RecordOrder(RecordOrder::Task::kDecode, 100, 100)});
  if (!child.ok()) return child.status();
  std::vector<std::uint8_t> payload;
  return (*child)->read(payload).status();
}

class Forbidden : public ::testing::TestWithParam<const char*> {};

TEST_P(Forbidden, IsRefusedInTheSandbox) {
  const std::string_view what = GetParam();
  if (kSanitized && (what == "open" || what == "read_frames"))
    GTEST_SKIP() << "sanitizers need this";
  const Status status = self_test(GetParam());
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("was refused: Operation not permitted"));
}

INSTANTIATE_TEST_SUITE_P(Sandbox, Forbidden,
                         ::testing::Values("open", "connect", "fork", "exec", "map_code", "signal",
                                           "write_file", "read_frames"),
                         [](const auto& parameter) { return std::string(parameter.param); });

// The same in the process that is told about many files: it may also read what it is told.
TEST_P(Forbidden, IsRefusedToTheOneThatLooksAtManyFiles) {
  const std::string what = GetParam();
  if (what == "read_frames" || (kSanitized && what == "open")) GTEST_SKIP() << "is needed";
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  auto child = MediaChild::start_for_many(
      {"look", "--cpu-seconds=1", "--memory-bytes=" + std::to_string(kMemoryBytes)});
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_TRUE((*child)
                  ->give({.name = "clip.mp4",
                          .file = file.get(),
                          .arguments = {"selftest", "--what=" + what},
                          .wait_seconds = 20,
                          .order = RecordOrder(RecordOrder::Task::kProbe, 100, 100)})
                  .ok());
  std::vector<std::uint8_t> payload;
  const Status status = (*child)->read(payload).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(status.message(), HasSubstr("clip.mp4: was refused: Operation not permitted"));
}

TEST(Sandbox, ACrashIsAnErrorThatNamesTheSignal) {
  if (kSanitized) GTEST_SKIP() << "sanitizers turn the signal into an exit code";
  const Status status = self_test("crash");
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_TRUE(status.retryable());
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("clip.mp4: "), HasSubstr("signal 11 (Segmentation fault)")));
}

TEST(Sandbox, AnEarlyEndIsAnError) {
  EXPECT_THAT(self_test("exit").message(), HasSubstr("ended early with exit code 7"));
}

TEST(Sandbox, MemoryIsLimited) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more address space than any limit";
  const Status status = self_test("memory");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("does not fit into the memory limit"));
}

TEST(Sandbox, ProcessorTimeIsLimited) {
  const Status status = self_test("spin");
  EXPECT_EQ(status.code(), StatusCode::kTimeout);
  EXPECT_THAT(status.message(), HasSubstr("processor time"));
}

TEST(Sandbox, WaitingIsLimited) {
  const Status status = self_test("hang", 1);
  EXPECT_EQ(status.code(), StatusCode::kTimeout);
  EXPECT_THAT(status.message(), HasSubstr("took more than 1 s"));
}

// A program in place of `media` that says what the test wants.
class AnUntrustedChild : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("MIMICFLEET_MEDIA"); }

  void replace_media(const std::string& script) {
    const std::string path = folder_.write("media", "#!/bin/sh\n" + script);
    ::chmod(path.c_str(), 0700);
    ::setenv("MIMICFLEET_MEDIA", path.c_str(), 1);
  }
  Status says(const std::string& script) {
    replace_media(script);
    return read_all(kClips + "h264.mp4", {.limits = {.wait_seconds = 5}}).status();
  }

  TemporaryFolder folder_;
};

TEST_F(AnUntrustedChild, ThatIsMissingIsNamed) {
  ::setenv("MIMICFLEET_MEDIA", "/nonexistent/media", 1);
  EXPECT_THAT(read_all(kClips + "h264.mp4").status().message(),
              HasSubstr("cannot start /nonexistent/media: No such file or directory"));
}

TEST_F(AnUntrustedChild, ThatTalksNonsenseIsNotBelieved) {
  const Status status = says("head -c 1000000 /dev/zero");
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("wrong record (magic)"));
}

TEST_F(AnUntrustedChild, ThatAnnouncesAHugeFrameMakesUsAllocateNothing) {
  // A frame record of 65535x65535 pixels, first thing.
  EXPECT_THAT(
      says(
          R"(printf 'MFM1\2\0\0\0\377\377\0\0\377\377\0\0\0\0\0\0\0\0\0\0\003\000\372\377\002\0\0\0')")
          .message(),
      HasSubstr("wrong record (unexpected frame)"));
}

TEST_F(AnUntrustedChild, ThatEndsAtOnceIsAnError) {
  EXPECT_THAT(says("exit 3").message(), HasSubstr("exit code 3"));
  EXPECT_THAT(says("kill -9 $$").message(), HasSubstr("was killed, most likely for memory"));
}

TEST_F(AnUntrustedChild, ThatSendsTerminalEscapesIsSilenced) {
  const Status status = says(
      R"(printf 'MFM1\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\015\0\0\0\0\0\0\0bad_input\n\033[2')");
  EXPECT_EQ(status.message(), kClips + "h264.mp4: ?[2");
}

TEST_F(AnUntrustedChild, SeesNothingOfOurEnvironmentAndDescriptors) {
  const std::string seen = folder_ / "seen";
  ::setenv("MIMICFLEET_SECRET", "42", 1);
  const UniqueFd leaked(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC, as libraries open
  static_cast<void>(says("env > " + seen + "; ls /proc/self/fd >> " + seen));
  EXPECT_THAT(read_file(seen), ::testing::Not(HasSubstr("MIMICFLEET_")));
  std::istringstream words(read_file(seen).substr(read_file(seen).find("\n0\n") + 1));
  std::vector<int> fds;
  for (int fd = 0; words >> fd;) fds.push_back(fd);
  EXPECT_THAT(fds, ::testing::ElementsAre(0, 1, 2, 3, 4, 5));  // 5: `ls` reading the folder
}

TEST_F(AnUntrustedChild, ThatTakesNoFramesDoesNotHoldUpAnAbort) {
  replace_media("exec sleep infinity");
  std::optional<Result<VideoWriter>> writer =
      VideoWriter::create(folder_ / "a.mp4", {.width = 640, .height = 480});
  ASSERT_TRUE(writer->ok()) << writer->status();
  const Image frame{
      .width = 640, .height = 480, .pixels = std::vector<std::uint8_t>(Image::bytes(640, 480))};
  ASSERT_TRUE((*writer)->write(frame).ok());
  writer.reset();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.mp4"));
}

TEST_F(AnUntrustedChild, ThatTakesNoFramesHoldsNobodyUpOnceItIsStopped) {
  replace_media("exec sleep 600");
  const auto stop = std::make_shared<MediaStop>();
  auto writer = VideoWriter::create(folder_ / "a.mp4", {.width = 640, .height = 480}, stop);
  ASSERT_TRUE(writer.ok()) << writer.status();
  const Image frame{
      .width = 640, .height = 480, .pixels = std::vector<std::uint8_t>(Image::bytes(640, 480))};
  std::thread stopper([&] { stop->stop(); });
  Status status;
  while (status.ok()) status = writer->write(frame);  // waits for good, sooner or later
  stopper.join();
  EXPECT_FALSE(writer->finish().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.mp4"));
}

TEST_F(AnUntrustedChild, ThatIsStoppedBeforeItStartsIsNotWaitedForEither) {
  replace_media("exec sleep 600");
  const auto stop = std::make_shared<MediaStop>();
  stop->stop();
  DecodeOptions options;
  options.stop = stop;
  EXPECT_FALSE(read_all(kClips + "h264.mp4", options).ok());
}

// When the parent is killed, a child in the middle of a computation ends, too.
TEST(Lifeline, EndsTheChildWithItsParent) {
  int pids[2];
  ASSERT_EQ(::pipe(pids), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const auto child = MediaChild::start({.name = "clip.mp4",
                                          .file = 0,
                                          .arguments = {"selftest", "--what=hang"},
                                          .wait_seconds = 60,
                                          .order = RecordOrder(RecordOrder::Task::kDecode, 1, 1)});
    const pid_t pid = child.ok() ? (*child)->pid() : -1;
    static_cast<void>(::write(pids[1], &pid, sizeof(pid)));
    for (;;) ::pause();
  }
  pid_t child = -1;
  ASSERT_EQ(::read(pids[0], &child, sizeof(child)), static_cast<ssize_t>(sizeof(child)));
  ASSERT_GT(child, 0);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  const auto gone_or_zombie = [child] {
    const std::string stat = read_file("/proc/" + std::to_string(child) + "/stat");
    return stat.empty() || stat.find(") Z") != std::string::npos;
  };
  const auto deadline = steady_clock::now() + kPatience;
  while (!gone_or_zombie() && steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(gone_or_zombie());
  ::close(pids[0]);
  ::close(pids[1]);
}

// The thread that opened a video may end before the video does.
TEST(Lifeline, DoesNotDependOnTheThreadThatStartedTheChild) {
  std::optional<Result<VideoFrames>> video;
  std::thread([&video] { video = VideoFrames::open(kGoldenPack + "videos/a.mp4"); }).join();
  ASSERT_TRUE(video->ok());
  int frames = 0;
  for (;; ++frames) {
    const auto frame = (*video)->next();
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (!*frame) break;
  }
  EXPECT_EQ(frames, 26);
}

}  // namespace
}  // namespace mimicfleet::av
