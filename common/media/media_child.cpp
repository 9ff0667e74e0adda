#include "common/media/media_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "common/media/spawn.h"
#include "common/mutex.h"

namespace mimicfleet::media {
namespace {

constexpr int kPipeBytes = 1 << 20;
constexpr int kReapPatience_ms = 2000;

Status system_failure(std::string_view action) {
  const auto code = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EAGAIN
                        ? StatusCode::kResourceExhausted
                        : StatusCode::kInternal;
  return {code, "the media program: " + std::string(action) + ": " + std::strerror(errno)};
}

void kill_process(int pidfd) { ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0); }

// The wait status, if it has ended.
std::optional<int> reap(MediaProcess& media) {
  if (media.process.valid()) {
    pollfd ended{.fd = media.process.get(), .events = POLLIN, .revents = 0};
    while (::poll(&ended, 1, kReapPatience_ms) < 0 && errno == EINTR) {
    }
  }
  int status = 0;
  if (::waitpid(media.pid, &status, media.process.valid() ? WNOHANG : 0) != media.pid)
    return std::nullopt;
  media.pid = -1;
  return status;
}

void end(MediaProcess& media) {
  if (media.pid <= 0) return;
  ::kill(media.pid, SIGKILL);
  // One that sleeps in a dead file system cannot be ended; it is left to be reaped with this
  // process.
  static_cast<void>(reap(media));
  media.pid = -1;
}

// With `file`, or, if that is -1, waiting for an order().
Status launch(const std::vector<std::string>& arguments, int file, MediaProcess& media) {
  std::array<int, 2> records{};
  std::array<int, 2> lifeline{};
  std::array<int, 2> frames{};
  if (::pipe2(records.data(), O_CLOEXEC) != 0) return system_failure("no pipe");
  media.output.reset(records[0]);
  const UniqueFd records_end(records[1]);
  if (::pipe2(lifeline.data(), O_CLOEXEC) != 0) return system_failure("no pipe");
  const UniqueFd lifeline_end(lifeline[0]);
  media.lifeline.reset(lifeline[1]);
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, frames.data()) != 0) {
    return system_failure("no socket");
  }
  media.input.reset(frames[0]);
  const UniqueFd frames_end(frames[1]);
  ::fcntl(media.output.get(), F_SETPIPE_SZ, kPipeBytes);  // larger is only faster

  std::vector<GivenFd> fds = {{frames_end.get(), kChildFrames},
                              {records_end.get(), kChildRecords},
                              {lifeline_end.get(), kChildLifeline}};
  if (file >= 0) fds.push_back({file, kChildFile});
  ASSIGN_OR_RETURN(media.pid, spawn_media(arguments, fds));
  media.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, media.pid, 0)));
  return {};
}

// What a process that waits is to do; false if it is not there any more.
bool order(const MediaProcess& media, const std::vector<std::string>& arguments, int file) {
  std::string text;
  for (const std::string& argument : arguments) text += argument + '\0';
  const auto size = static_cast<std::uint32_t>(text.size());
  std::array<iovec, 2> parts{iovec{const_cast<std::uint32_t*>(&size), sizeof(size)},
                             iovec{text.data(), text.size()}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &file, sizeof(file));
  return ::sendmsg(media.input.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(sizeof(size) + text.size());
}

// Processes that wait for what they are to do.
class Spares {
 public:
  static Spares& instance() {
    static auto& spares = *new Spares;  // never destroyed: threads may still use it
    return spares;
  }

  // One that does this: the oldest that waits, else a new one.
  [[nodiscard]] Status take(const std::vector<std::string>& arguments, int file,
                            MediaProcess& taken) {
    taken = pop();
    if (taken.pid < 0 || !order(taken, arguments, file)) {
      end(taken);
      taken = {};
      RETURN_IF_ERROR(launch(arguments, file, taken));
    }
    fill();
    return {};
  }

  void keep(std::size_t count) {
    {
      const MutexLock lock(mutex_);
      wanted_ = count;
    }
    while (pids().size() > count) {
      MediaProcess spare = pop();
      end(spare);
    }
    fill();
  }

  [[nodiscard]] std::vector<pid_t> pids() {
    const MutexLock lock(mutex_);
    std::vector<pid_t> pids;
    for (const MediaProcess& spare : waiting_) pids.push_back(spare.pid);
    return pids;
  }

 private:
  [[nodiscard]] MediaProcess pop() {
    const MutexLock lock(mutex_);
    if (waiting_.empty()) return {};
    MediaProcess spare = std::move(waiting_.front());
    waiting_.pop_front();
    return spare;
  }

  // Spare processes are not needed: a fault here comes again, and is reported, where one is
  // started.
  void fill() {
    const MutexLock lock(mutex_);
    while (waiting_.size() < wanted_) {
      MediaProcess spare;
      if (!launch({std::string(kWaitForOrder)}, -1, spare).ok()) return;
      waiting_.push_back(std::move(spare));
    }
  }

  Mutex mutex_;
  std::size_t wanted_ GUARDED_BY(mutex_) = 0;
  std::deque<MediaProcess> waiting_ GUARDED_BY(mutex_);
};

}  // namespace

void keep_spare_media(std::size_t count) { Spares::instance().keep(count); }
std::vector<pid_t> spare_media() { return Spares::instance().pids(); }

MediaChild::MediaChild(Start& start)
    : name_(std::move(start.name)),
      order_(start.order),
      wait_seconds_(start.wait_seconds),
      patience_(std::chrono::seconds(start.wait_seconds)),
      stop_(std::move(start.stop)) {}

Result<std::unique_ptr<MediaChild>> MediaChild::start(Start start) {
  auto child = std::unique_ptr<MediaChild>(new MediaChild(start));
  const Status status = Spares::instance().take(start.arguments, start.file, child->process_);
  if (!status.ok()) return child->named(status);
  if (child->stop_) child->stop_->add(child->process_.process.get());
  return child;
}

Result<std::unique_ptr<MediaChild>> MediaChild::start_for_many(
    const std::vector<std::string>& arguments) {
  Start nothing{.name = "",
                .file = -1,
                .arguments = {},
                .order = RecordOrder(RecordOrder::Task::kProbe, 0, 0)};
  auto child = std::unique_ptr<MediaChild>(new MediaChild(nothing));
  RETURN_IF_ERROR(launch(arguments, -1, child->process_));
  return child;
}

Status MediaChild::give(Start start) {
  name_ = std::move(start.name);
  order_ = start.order;
  wait_seconds_ = start.wait_seconds;
  patience_ = std::chrono::seconds(start.wait_seconds);
  return order(process_, start.arguments, start.file) ? Status() : named(why_it_ended());
}

MediaChild::~MediaChild() {
  if (stop_) stop_->remove(process_.process.get());
  end(process_);
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

Result<StreamInfo> MediaChild::read_info(const DecodeLimits& limits) {
  std::vector<std::uint8_t> payload;
  ASSIGN_OR_RETURN(const RecordHeader header, read(payload));
  CHECK(header.type ==
        RecordType::kInfo);  // RecordOrder accepts nothing else first, where one is due
  auto info = decode_info(payload, limits);
  if (!info.ok()) return named(info.status());
  order_.accept(*info);
  return info;
}

Result<ReadingNotes> MediaChild::read_notes() {
  std::vector<std::uint8_t> payload;
  ASSIGN_OR_RETURN(const RecordHeader header, read(payload));
  if (header.type != RecordType::kNotes)
    return named({StatusCode::kInternal, "the media program sent no notes"});
  auto notes = decode_notes(payload);
  if (!notes.ok()) return named(notes.status());
  return notes;
}

Status MediaChild::read_exactly(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    RETURN_IF_ERROR(wait_until_ready(process_.output.get(), POLLIN));
    const ssize_t got = ::read(process_.output.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return named(system_failure("cannot be read from"));
    if (got == 0) return named(why_it_ended());
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status MediaChild::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        ::send(process_.input.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      RETURN_IF_ERROR(wait_until_ready(process_.input.get(), POLLOUT));
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
    end(process_);
    return named({StatusCode::kTimeout, "took more than " + std::to_string(wait_seconds_) +
                                            " s; shorten or convert it, or look at its storage"});
  }
  patience_ -= steady_clock::now() - begin;
  return {};
}

Status MediaChild::why_it_ended() {
  const auto status = reap(process_);
  if (!status)
    return {StatusCode::kInternal, "the media program closed its output and did not end"};
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
  return {StatusCode::kInternal, "the media program crashed with signal " + std::to_string(number) +
                                     " (" + ::strsignal(number) +
                                     "); convert the file with ffmpeg and try again"};
}

void MediaChild::stop() const { kill_process(process_.process.get()); }

void MediaStop::stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  for (const int process : processes_) kill_process(process);
}

void MediaStop::add(int process) {
  const MutexLock lock(mutex_);
  processes_.insert(process);
  if (stopped_) kill_process(process);
}

void MediaStop::remove(int process) {
  const MutexLock lock(mutex_);
  processes_.erase(process);
}

Status MediaChild::named(const Status& status) const { return status.prefixed(name_); }

}  // namespace mimicfleet::media
