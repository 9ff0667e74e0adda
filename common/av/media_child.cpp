#include "common/av/media_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/av/spawn.h"

namespace mimicfleet::av {
namespace {

constexpr int kPipeBytes = 1 << 20;
constexpr int kReapPatience_ms = 2000;

Status system_failure(std::string_view action) {
  const auto code = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EAGAIN
                        ? StatusCode::kResourceExhausted
                        : StatusCode::kInternal;
  return {code, "the media program: " + std::string(action) + ": " + std::strerror(errno)};
}

}  // namespace

MediaChild::MediaChild(Start& start)
    : name_(std::move(start.name)),
      order_(start.order),
      wait_seconds_(start.wait_seconds),
      patience_(std::chrono::seconds(start.wait_seconds)) {}

Result<std::unique_ptr<MediaChild>> MediaChild::start(Start start) {
  auto child = std::unique_ptr<MediaChild>(new MediaChild(start));
  const Status status = child->spawn(start);
  if (!status.ok()) return child->named(status);
  return child;
}

Status MediaChild::spawn(const Start& start) {
  std::array<int, 2> records{};
  std::array<int, 2> lifeline{};
  std::array<int, 2> frames{};
  if (::pipe2(records.data(), O_CLOEXEC) != 0) return system_failure("no pipe");
  output_.reset(records[0]);
  const UniqueFd records_end(records[1]);
  if (::pipe2(lifeline.data(), O_CLOEXEC) != 0) return system_failure("no pipe");
  const UniqueFd lifeline_end(lifeline[0]);
  lifeline_.reset(lifeline[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames.data()) != 0) {
    return system_failure("no socket");
  }
  input_.reset(frames[0]);
  const UniqueFd frames_end(frames[1]);
  ::fcntl(output_.get(), F_SETPIPE_SZ, kPipeBytes);  // larger is only faster

  ASSIGN_OR_RETURN(pid_, spawn_media(start.arguments, {{frames_end.get(), kChildFrames},
                                                       {records_end.get(), kChildRecords},
                                                       {start.file, kChildFile},
                                                       {lifeline_end.get(), kChildLifeline}}));
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  return {};
}

MediaChild::~MediaChild() {
  if (pid_ > 0) kill_and_reap();
}

Result<RecordHeader> MediaChild::read(std::vector<std::uint8_t>& payload) {
  std::array<std::uint8_t, sizeof(RecordHeader)> bytes;
  RETURN_IF_ERROR(read_exactly(bytes));
  auto header = decode_header(bytes);
  if (!header.ok()) return named(header.status());
  if (const Status status = order_.accept(*header); !status.ok()) return named(status);
  payload.resize(header->payload_bytes);
  RETURN_IF_ERROR(read_exactly(payload));
  if (header->type == RecordType::kFailure) return named(decode_failure(payload));
  return header;
}

Status MediaChild::read_exactly(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(wait_until_ready(output_.get(), POLLIN));
    const ssize_t got = ::read(output_.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return named(system_failure("cannot be read from"));
    if (got == 0) return named(why_it_ended());
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status MediaChild::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(input_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      RETURN_IF_ERROR(wait_until_ready(input_.get(), POLLOUT));
    } else if (errno != EINTR) {
      std::vector<std::uint8_t> payload;
      const auto last_words = read(payload);
      if (!last_words.ok()) return last_words.status();
      return named({StatusCode::kInternal, "the media program stopped taking frames"});
    }
  }
  return {};
}

Status MediaChild::wait_until_ready(int fd, short events) {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  const auto begin = steady_clock::now();
  pollfd waited{.fd = fd, .events = events, .revents = 0};
  for (;;) {
    const auto left = patience_ - (steady_clock::now() - begin);
    const auto left_ms = std::chrono::ceil<milliseconds>(left).count();
    if (left_ms > 0) {
      const int ready = ::poll(&waited, 1, static_cast<int>(left_ms));
      if (ready > 0) break;
      if (ready == 0 || errno == EINTR) continue;
      return named(system_failure("cannot be waited for"));
    }
    kill_and_reap();
    return named({StatusCode::kTimeout, "took more than " + std::to_string(wait_seconds_) +
                                            " s; shorten or convert it, or look at its storage"});
  }
  patience_ -= steady_clock::now() - begin;
  return {};
}

Status MediaChild::why_it_ended() {
  const auto status = reap();
  if (!status) return {StatusCode::kInternal, "the media program closed its output and did not end"};
  if (WIFEXITED(*status)) {
    return {StatusCode::kInternal,
            "the media program ended early with exit code " + std::to_string(WEXITSTATUS(*status))};
  }
  const int number = WTERMSIG(*status);
  if (number == SIGXCPU) {
    return {StatusCode::kTimeout, "took more processor time than allowed; shorten or convert it"};
  }
  if (number == SIGKILL) {
    return {StatusCode::kResourceExhausted,
            "the media program was killed, most likely for memory; give this host more"};
  }
  return {StatusCode::kInternal, "the media program crashed with signal " + std::to_string(number) + " (" +
                                     ::strsignal(number) + "); convert the file with ffmpeg and try again"};
}

std::optional<int> MediaChild::reap() {
  if (process_.valid()) {
    pollfd ended{.fd = process_.get(), .events = POLLIN, .revents = 0};
    while (::poll(&ended, 1, kReapPatience_ms) < 0 && errno == EINTR) {
    }
  }
  int status = 0;
  if (::waitpid(pid_, &status, process_.valid() ? WNOHANG : 0) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

void MediaChild::stop() const { ::syscall(SYS_pidfd_send_signal, process_.get(), SIGKILL, nullptr, 0); }

void MediaChild::kill_and_reap() {
  ::kill(pid_, SIGKILL);
  // One that sleeps in a dead file system cannot be ended; it is left to be reaped with this process.
  static_cast<void>(reap());
  pid_ = -1;
}

Status MediaChild::named(const Status& status) const { return status.prefixed(name_); }

}  // namespace mimicfleet::av
