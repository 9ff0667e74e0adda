#include "coordinator/embedded/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/signals.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::streamoff kTailBytes = 64 << 10;

// Between fork and exec: only what is safe when other threads may hold locks.
[[noreturn]] void become(char* const* arguments, int log, int pass_fd, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_DFL);
  handle_signal(SIGHUP, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0)
    ::_exit(127);
  if (pass_fd == ChildProcess::kPassedFd) {
    ::fcntl(pass_fd, F_SETFD, 0);
  } else if (pass_fd >= 0 && ::dup2(pass_fd, ChildProcess::kPassedFd) < 0) {
    ::_exit(127);
  }
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const Options& options) {
  const std::string& program = options.command.front();
  if (::access(program.c_str(), X_OK) != 0) {
    return Status(
        StatusCode::kNotFound,
        fmt::format("{}: {}; it belongs beside the coordinator (build both, or install both)",
                    program, std::strerror(errno)));
  }
  const UniqueFd log(
      ::open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return file_error(options.log_path, "cannot be opened", errno);
  std::vector<std::string> copies = options.command;
  std::vector<char*> arguments;
  arguments.reserve(copies.size() + 1);
  for (auto& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  ChildProcess child;
  child.pid_ = ::fork();
  if (child.pid_ < 0)
    return file_error(program, "cannot be started", errno, StatusCode::kResourceExhausted);
  if (child.pid_ == 0) become(arguments.data(), log.get(), options.pass_fd, parent);
  ::setpgid(child.pid_, child.pid_);  // whoever of the two is first
  child.process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(std::exchange(other.status_, std::nullopt)),
      process_(std::move(other.process_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  kill_and_reap();
  pid_ = std::exchange(other.pid_, -1);
  status_ = std::exchange(other.status_, std::nullopt);
  process_ = std::move(other.process_);
  return *this;
}

ChildProcess::~ChildProcess() { kill_and_reap(); }

void ChildProcess::kill_and_reap() {
  if (pid_ > 0 && !status_) {
    signal_group(SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  }
  pid_ = -1;
}

bool ChildProcess::running() {
  if (pid_ <= 0 || status_) return false;
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != pid_) {
    return true;
  }
  signal_group(SIGKILL);  // what it left behind, while nobody else can have its number
  int status = 0;
  ::waitpid(pid_, &status, 0);
  status_ = status;
  return false;
}

std::optional<int> ChildProcess::exit_code() const {
  if (!status_ || !WIFEXITED(*status_)) return std::nullopt;
  return WEXITSTATUS(*status_);
}

std::string ChildProcess::end_text() const {
  if (!status_) return "runs";
  if (WIFSIGNALED(*status_)) {
    const int signal = WTERMSIG(*status_);
    return fmt::format("was killed by signal {} ({})", signal, ::strsignal(signal));
  }
  return fmt::format("exited with {}", WEXITSTATUS(*status_));
}

void ChildProcess::signal_group(int signal) const {
  if (pid_ > 0 && !status_) ::kill(-pid_, signal);
}

bool ChildProcess::wait_for(std::chrono::milliseconds patience) {
  if (!running()) return true;
  pollfd waiting{process_.get(), POLLIN, 0};
  ::poll(&waiting, 1, static_cast<int>(patience.count()));
  return !running();
}

std::string last_error_in(const std::string& log_path) {
  std::ifstream in(log_path, std::ios::binary | std::ios::ate);
  const std::streamoff size = in.tellg();
  if (size <= 0) return {};
  in.seekg(std::max<std::streamoff>(0, size - kTailBytes));
  std::string last;
  std::string last_error;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    last = line;
    // "2024-05-01 12:00:00.000 error [worker 17] text"
    const std::size_t level = line.find(" error [");
    const std::size_t text = level == std::string::npos ? level : line.find("] ", level);
    if (text != std::string::npos) last_error = line.substr(text + 2);
  }
  return last_error.empty() ? last : last_error;
}

}  // namespace mimicfleet::coordinator
