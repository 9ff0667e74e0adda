#include "common/av/child/order.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "common/av/media_child.h"

namespace mimicfleet::av::child {
namespace {

Status misunderstood() {
  return {StatusCode::kInternal, "the media program was told something else than a task"};
}

// The length of the arguments, and with it the file.
Result<std::uint32_t> receive_head() {
  std::uint32_t size = 0;
  iovec part{.iov_base = &size, .iov_len = sizeof(size)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(kChildFrames, &message, 0);
  } while (got < 0 && errno == EINTR);
  if (got == 0) ::_exit(0);
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (got != sizeof(size) || size > kMaxOrderBytes || header == nullptr ||
      header->cmsg_type != SCM_RIGHTS) {
    return misunderstood();
  }
  int file = -1;
  std::memcpy(&file, CMSG_DATA(header), sizeof(file));
  if (file == kChildFile) return size;
  if (::dup2(file, kChildFile) != kChildFile) return misunderstood();
  ::close(file);
  return size;
}

}  // namespace

Result<std::vector<std::string>> await_order() {
  ASSIGN_OR_RETURN(const std::uint32_t size, receive_head());
  std::string text(size, '\0');
  for (std::size_t have = 0; have < text.size();) {
    const ssize_t got = ::read(kChildFrames, text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return misunderstood();
    have += static_cast<std::size_t>(got);
  }
  std::vector<std::string> arguments;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\0', begin);
    if (end == std::string::npos) return misunderstood();
    arguments.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return arguments;
}

}  // namespace mimicfleet::av::child
