#include "tests/e2e/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <sched.h>

#include "common/check.h"

namespace mimicfleet::e2e {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);

std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool write_text(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool written =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

// Without root's rights by way of a user namespace in which this user is still the same one.
bool enter_mount_namespace() {
  const std::string user = std::to_string(::getuid());
  const std::string group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (!write_text("/proc/self/setgroups", "deny") ||
        !write_text("/proc/self/uid_map", user + " " + user + " 1") ||
        !write_text("/proc/self/gid_map", group + " " + group + " 1")) {
      return false;
    }
  }
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// From the next exec on.
bool give_up_overriding_modes() {
  return ::geteuid() != 0 || (::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == 0 &&
                              ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH) == 0);
}

bool enter(const Surroundings& surroundings) {
  for (const auto& variable : surroundings.environment) ::putenv(::strdup(variable.c_str()));
  return mount_disks(surroundings.disks) &&
         (surroundings.folder.empty() || ::chdir(surroundings.folder.c_str()) == 0) &&
         (!surroundings.modes_bind || give_up_overriding_modes());
}

// Runs in the child.
[[noreturn]] void become(const std::vector<std::string>& command, const Surroundings& surroundings,
                         const std::string& out, const std::string& err) {
  ::setpgid(0, 0);
  // However this test was started itself.
  for (const int number : {SIGINT, SIGTERM}) ::signal(number, SIG_DFL);
  ::signal(SIGHUP, surroundings.ignores_hangup ? SIG_IGN : SIG_DFL);
  const int out_fd = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int err_fd = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::dup2(::open("/dev/null", O_RDONLY), 0);
  ::dup2(out_fd, 1);
  ::dup2(err_fd, 2);
  if (!enter(surroundings)) {
    ::perror("the surroundings of a test's process");
    ::_exit(126);
  }
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(::strdup(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

bool mount_disks(const std::vector<PrivateDisk>& disks) {
  if (disks.empty()) return true;
  if (!enter_mount_namespace()) return false;
  return std::all_of(disks.begin(), disks.end(), [](const PrivateDisk& disk) {
    const std::string size = "mode=0755,size=" + std::to_string(disk.bytes);
    return ::mount("none", disk.folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
  });
}

bool can_make_disks() {
  const std::string folder = std::filesystem::temp_directory_path();
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) ::_exit(mount_disks({{folder, 4096}}) ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

Process::Process(std::vector<std::string> command, const std::string& scratch_folder,
                 const Surroundings& surroundings)
    : started_(std::chrono::steady_clock::now()) {
  static std::atomic<int> counter = 0;
  const std::string stem = scratch_folder + "/process" + std::to_string(++counter);
  out_path_ = stem + ".out";
  err_path_ = stem + ".err";
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) become(command, surroundings, out_path_, err_path_);
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

std::map<int, std::string> processes_with(const std::string& mark) {
  std::map<int, std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string command = read_all(entry.path() / "cmdline");
    if (command.find(mark) != std::string::npos)
      found[std::atoi(entry.path().filename().c_str())] = command;
  }
  return found;
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
