#include "common/av/child/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include <sched.h>
#include <seccomp.h>

#include "common/av/media_child.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MIMICFLEET_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MIMICFLEET_SANITIZED
#endif
#endif

namespace mimicfleet::av::child {
namespace {

#ifdef MIMICFLEET_SANITIZED
constexpr bool kSanitized =
    true;  // needs terabytes of address space, and looks at its own memory map
#else
constexpr bool kSanitized = false;
#endif

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

bool limit(__rlimit_resource resource, std::int64_t value) {
  // At the soft limit of processor time comes SIGXCPU, by which the parent knows; at the hard one
  // SIGKILL.
  const std::int64_t hard = resource == RLIMIT_CPU ? value + 1 : value;
  const rlimit both{static_cast<rlim_t>(value), static_cast<rlim_t>(hard)};
  return ::setrlimit(resource, &both) == 0;
}

bool set_limits(const SandboxLimits& limits) {
  return (kSanitized || limit(RLIMIT_AS, limits.memory_bytes)) &&
         limit(RLIMIT_CPU, limits.cpu_seconds) && limit(RLIMIT_CORE, 0) &&
         (kSanitized || limit(RLIMIT_NOFILE, kChildLifeline + 1)) &&
         (limits.may_write_file || limit(RLIMIT_FSIZE, 0));
}

// The kernel sends SIGIO, which ends the process, when the parent's end of the lifeline closes.
// Unlike PR_SET_PDEATHSIG this follows the parent process, not the thread of it that started us.
bool follow_parent() {
  if (::fcntl(kChildLifeline, F_SETOWN, ::getpid()) != 0) return false;
  if (::fcntl(kChildLifeline, F_SETFL, O_ASYNC | O_NONBLOCK) != 0) return false;
  pollfd lifeline{.fd = kChildLifeline, .events = 0, .revents = 0};
  return ::poll(&lifeline, 1, 0) == 0;  // else it closed before we listened
}

class Rules {
 public:
  explicit Rules(void* filter) : filter_(filter) {}

  void allow(int call) {
    ok_ &= seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 0, nullptr) == 0;
  }
  void allow(int call, scmp_arg_cmp when) {
    ok_ &= seccomp_rule_add_array(filter_, SCMP_ACT_ALLOW, call, 1, &when) == 0;
  }
  void refuse(int call, int error) {
    ok_ &= seccomp_rule_add_array(filter_, SCMP_ACT_ERRNO(static_cast<std::uint16_t>(error)), call,
                                  0, nullptr) == 0;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  void* filter_;
  bool ok_ = true;
};

scmp_arg_cmp argument_is(unsigned argument, std::uint64_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp argument_lacks(unsigned argument, std::uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, 0};
}
scmp_arg_cmp argument_has(unsigned argument, std::uint64_t bits) {
  return {argument, SCMP_CMP_MASKED_EQ, bits, bits};
}

void allow_computing(Rules& rules) {
  for (const int call :
       {SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
        SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(clock_gettime), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getrandom),
        SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall)}) {
    rules.allow(call);
  }
  rules.allow(SCMP_SYS(mmap), argument_lacks(2, PROT_EXEC));
  rules.allow(SCMP_SYS(mprotect), argument_lacks(2, PROT_EXEC));
  // abort() raises its signal with these.
  rules.allow(SCMP_SYS(tgkill), argument_is(0, static_cast<std::uint64_t>(::getpid())));
  rules.allow(SCMP_SYS(rt_sigaction), argument_is(0, SIGABRT));
}

void allow_threads(Rules& rules) {
  rules.refuse(SCMP_SYS(clone3),
               ENOSYS);  // its flags cannot be checked; the C library then uses clone
  rules.allow(SCMP_SYS(clone), argument_has(0, CLONE_THREAD));
  rules.allow(SCMP_SYS(set_robust_list));
  rules.allow(SCMP_SYS(rseq));
  rules.allow(SCMP_SYS(sched_getaffinity));
}

void allow_sanitizers(Rules& rules) {
  for (const int call :
       {SCMP_SYS(openat), SCMP_SYS(read), SCMP_SYS(close), SCMP_SYS(newfstatat), SCMP_SYS(readlink),
        SCMP_SYS(prlimit64), SCMP_SYS(sched_getaffinity), SCMP_SYS(sigaltstack)}) {
    rules.allow(call);
  }
}

bool install_filter(const SandboxLimits& limits) {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!filter) return false;
  Rules rules(filter.get());
  allow_computing(rules);
  rules.allow(SCMP_SYS(write), argument_is(0, kChildRecords));
  rules.allow(SCMP_SYS(pread64), argument_is(0, kChildFile));
  if (kSanitized) allow_sanitizers(rules);
  if (limits.may_receive_files) {
    rules.allow(SCMP_SYS(recvmsg), argument_is(0, kChildFrames));
    rules.allow(SCMP_SYS(read), argument_is(0, kChildFrames));
    rules.allow(SCMP_SYS(close), argument_is(0, kChildFile));
  }
  if (limits.may_write_file) {
    allow_threads(rules);
    rules.allow(SCMP_SYS(read), argument_is(0, kChildFrames));
    rules.allow(SCMP_SYS(pwrite64), argument_is(0, kChildFile));
  }
  return rules.ok() && seccomp_load(filter.get()) == 0;
}

}  // namespace

Status enter_sandbox(const SandboxLimits& limits) {
  const auto failed = [](std::string_view step) {
    return Status(StatusCode::kInternal, "the media program cannot enter its sandbox (" +
                                             std::string(step) +
                                             "); this kernel or container forbids it");
  };
  ::signal(SIGXFSZ, SIG_IGN);  // too large a file is an error of its write
  if (!follow_parent()) return failed("lifeline");
  if (!set_limits(limits)) return failed("limits");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("dumpable");
  if (!install_filter(limits)) return failed("seccomp");
  return {};
}

}  // namespace mimicfleet::av::child
