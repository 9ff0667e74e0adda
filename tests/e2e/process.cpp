#include "tests/e2e/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "common/check.h"

namespace mimicfleet::e2e {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Runs in the child.
[[noreturn]] void become(const std::vector<std::string>& command, const std::vector<std::string>& environment,
                         const std::string& out, const std::string& err) {
  ::setpgid(0, 0);
  const int out_fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_fd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(out_fd, 1);
  ::dup2(err_fd, 2);
  for (const auto& variable : environment) ::putenv(::strdup(variable.c_str()));
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(::strdup(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

Process::Process(std::vector<std::string> command, const std::string& scratch_folder,
                 std::vector<std::string> environment)
    : started_(std::chrono::steady_clock::now()) {
  static std::atomic<int> counter = 0;
  const std::string stem = scratch_folder + "/process" + std::to_string(++counter);
  out_path_ = stem + ".out";
  err_path_ = stem + ".err";
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) become(command, environment, out_path_, err_path_);
}

Process::~Process() {
  if (!reaped_) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void Process::signal(int number) const { ::kill(pid_, number); }
std::string Process::out() const { return read_all(out_path_); }
std::string Process::err() const { return read_all(err_path_); }

Outcome Process::wait(Seconds limit) {
  if (reaped_) return outcome_;
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, limit);
  if (!ended) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, &status, 0);
  }
  reaped_ = true;
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome_.out = out();
  outcome_.err = err();
  outcome_.seconds = Seconds(std::chrono::steady_clock::now() - started_).count();
  return outcome_;
}

bool eventually(const std::function<bool()>& condition, Seconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace mimicfleet::e2e
