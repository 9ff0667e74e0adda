#include "common/files/read_text.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/files/io.h"

namespace mimicfleet {

Result<std::string> read_text(const std::string& path, std::size_t limit_bytes) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return read_text(fd.get(), path, limit_bytes);
}

Result<std::string> read_text(int fd, const std::string& name, std::size_t limit_bytes) {
  std::string text;
  for (std::size_t size = 0;;) {
    // One byte more than allowed tells a file that is too large.
    text.resize(std::min(limit_bytes + 1, std::max<std::size_t>(4096, size * 2)));
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(name, "cannot be read", errno, StatusCode::kBadInput);
    size += static_cast<std::size_t>(got);
    if (size > limit_bytes) {
      return Status(
          StatusCode::kBadInput,
          name + ": is larger than the " + std::to_string(limit_bytes) + " bytes that are allowed");
    }
    if (got == 0) {
      text.resize(size);
      return text;
    }
  }
}

}  // namespace mimicfleet
