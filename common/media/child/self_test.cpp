#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "common/media/child/output.h"
#include "common/media/child/tasks.h"
#include "common/media/media_child.h"

namespace mimicfleet::media::child {
namespace {

Status outcome(long result) {
  if (result >= 0) return {StatusCode::kInternal, "was allowed"};
  return {StatusCode::kFailedPrecondition, std::string("was refused: ") + std::strerror(errno)};
}

long start_program() {
  std::array<char*, 1> none{nullptr};
  return ::execve("/bin/true", none.data(), none.data());
}

long map_code() {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? -1 : 0;
}

long kill_parent() { return ::kill(::getppid(), 0); }

// Memory that is touched, so that no page is free of charge.
Status eat_memory() {
  constexpr std::size_t kStep = 16 << 20;
  std::vector<std::vector<char>> eaten;
  for (;;) eaten.emplace_back(kStep, 'x');
}

Status spin() {
  for (volatile unsigned turns = 0;;) turns = turns + 1;
}

Status hang() {
  int word = 0;
  for (;;) ::syscall(SYS_futex, &word, FUTEX_WAIT, 0, nullptr, nullptr, 0);
}

}  // namespace

Status self_test(const std::string& what) {
  std::array<char, 1> byte{};
  if (what == "open") return outcome(::open("/etc/passwd", O_RDONLY));
  if (what == "connect") return outcome(::socket(AF_INET, SOCK_STREAM, 0));
  if (what == "fork") return outcome(::fork());
  if (what == "exec") return outcome(start_program());
  if (what == "map_code") return outcome(map_code());
  if (what == "signal") return outcome(kill_parent());
  if (what == "write_file") return outcome(::pwrite(kChildFile, byte.data(), 1, 0));
  if (what == "read_frames") return outcome(::read(kChildFrames, byte.data(), 1));
  if (what == "crash") return outcome(::raise(SIGSEGV));
  if (what == "memory") return eat_memory();
  if (what == "spin") return spin();
  if (what == "hang") return hang();
  if (what == "exit") ::_exit(7);
  return {StatusCode::kInvalidArgument, "no such self-test"};
}

}  // namespace mimicfleet::media::child
