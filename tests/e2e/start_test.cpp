// What a start costs, and what is linked.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"

namespace mimicfleet::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string program(const std::string& name) { return binary_path("bin/" + name); }

// Processor seconds of `NAME --help`: unlike seconds on the clock, the same on a busy machine.
double help_seconds(const std::string& name) {
  const std::string path = program(name);
  const pid_t child = ::fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stdout);
    ::execl(path.c_str(), path.c_str(), "--help", nullptr);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  EXPECT_EQ(::wait4(child, &status, 0, &usage), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << path << ": " << status;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double least_help_seconds(const std::string& name) {
  double least = help_seconds(name);
  for (int i = 0; i < 4; ++i) least = std::min(least, help_seconds(name));
  return least;
}

std::string linked_libraries(const std::string& name) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("ldd " + program(name)).c_str(), "r"), ::pclose);
  std::string output;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) output += buffer.data();
  return output;
}

TEST(Start, TheCoordinatorAnswersInFiftyMilliseconds) { EXPECT_LT(least_help_seconds("coordinator"), 0.05); }

TEST(Start, AWorkerAnswersInHalfASecond) { EXPECT_LT(least_help_seconds("worker"), 0.5); }

TEST(Start, OnlyTheWorkerIsLinkedWithLibTorch) {
  EXPECT_THAT(linked_libraries("worker"), HasSubstr("libtorch_cpu"));
  for (const char* name : {"coordinator", "media"}) {
    EXPECT_THAT(linked_libraries(name), HasSubstr("libc.so")) << name;
    EXPECT_THAT(linked_libraries(name), Not(HasSubstr("torch"))) << name;
  }
  EXPECT_THAT(linked_libraries("worker"), Not(HasSubstr("libtorch_cuda")))
      << "it is opened when a GPU is used";
}

}  // namespace
}  // namespace mimicfleet::e2e
