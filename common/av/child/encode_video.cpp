#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "common/av/child/encoder.h"
#include "common/av/child/output.h"
#include "common/av/child/tasks.h"

namespace mimicfleet::av::child {
namespace {

// Fills `frame` from the descriptor; false at the end of the stream.
Result<bool> read_frame(int fd, std::vector<std::uint8_t>& frame) {
  for (std::size_t have = 0; have < frame.size();) {
    const ssize_t got = ::read(fd, frame.data() + have, frame.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Status(StatusCode::kInternal, std::string("no frames: ") + std::strerror(errno));
    if (got == 0 && have == 0) return false;
    if (got == 0) return Status(StatusCode::kInternal, "the last frame is incomplete");
    have += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

Status encode_video(const EncodeTask& task) {
  ASSIGN_OR_RETURN(const auto encoder, Encoder::open(task.file_fd, task.format));
  std::vector<std::uint8_t> frame(Image::bytes(task.format.width, task.format.height));
  std::uint64_t count = 0;
  for (;; ++count) {
    ASSIGN_OR_RETURN(const bool more, read_frame(task.frames_fd, frame));
    if (!more) break;
    RETURN_IF_ERROR(encoder->write(frame));
  }
  RETURN_IF_ERROR(encoder->finish());
  send_end(count);
  return {};
}

}  // namespace mimicfleet::av::child
