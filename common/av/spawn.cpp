#include "common/av/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "common/files/unique_fd.h"

namespace mimicfleet::av {
namespace {

std::string program_path() {
  if (const char* chosen = std::getenv("MIMICFLEET_MEDIA")) return chosen;
  std::array<char, 4096> buffer{};
  const ssize_t size = ::readlink("/proc/self/exe", buffer.data(), buffer.size() - 1);
  const std::string self(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::string folder = self.substr(0, self.rfind('/') + 1);
  const std::string beside = folder + "media";
  return ::access(beside.c_str(), X_OK) == 0 ? beside : folder + "../bin/media";
}

// Nothing of ours is for a process that foreign bytes may take over; the rest is for the dynamic
// linker and the sanitizers.
std::vector<std::string> child_environment() {
  std::vector<std::string> out;
  for (const char* name : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) out.push_back(std::string(name) + '=' + value);
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (std::string& string : strings) out.push_back(string.data());
  out.push_back(nullptr);
  return out;
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

// Signals as a fresh program has them, whatever this process blocks or ignores; no Ctrl-C from its
// terminal.
class Attributes {
 public:
  Attributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<pid_t> spawn_media(const std::vector<std::string>& arguments,
                          const std::vector<GivenFd>& fds) {
  int beyond = STDERR_FILENO + 1;
  for (const GivenFd& given : fds) beyond = std::max(beyond, given.as + 1);

  FileActions actions;
  std::vector<UniqueFd> raised;  // copies above all target numbers, so that none overwrites another
  for (const GivenFd& given : fds) {
    raised.emplace_back(::fcntl(given.fd, F_DUPFD_CLOEXEC, beyond));
    ::posix_spawn_file_actions_adddup2(actions.get(), raised.back().get(), given.as);
  }
  ::posix_spawn_file_actions_addopen(actions.get(), STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  for (int fd = STDERR_FILENO + 1; fd < beyond;
       ++fd) {  // what was opened without O_CLOEXEC and lies between
    const auto is_it = [fd](const GivenFd& given) { return given.as == fd; };
    if (std::none_of(fds.begin(), fds.end(), is_it))
      ::posix_spawn_file_actions_addclose(actions.get(), fd);
  }
  ::posix_spawn_file_actions_addclosefrom_np(actions.get(), beyond);

  const std::string program = program_path();
  std::vector<std::string> strings{program};
  strings.insert(strings.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = child_environment();
  const Attributes attributes;
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), actions.get(), attributes.get(),
                                  pointers(strings).data(), pointers(environment).data());
  if (error == 0) return pid;
  return Status(StatusCode::kInternal,
                "cannot start " + program + ": " + std::strerror(error) +
                    "; it belongs beside the program, or MIMICFLEET_MEDIA names it");
}

}  // namespace mimicfleet::av
