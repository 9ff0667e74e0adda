#include "common/files/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mimicfleet {

Status file_error(std::string_view path, std::string_view action, int error_number,
                  StatusCode otherwise) {
  std::string message =
      std::string(path) + ": " + std::string(action) + ": " + std::strerror(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return {StatusCode::kResourceExhausted,
              message + "; free some space or choose another folder"};
    case EFBIG:
      return {StatusCode::kResourceExhausted, message + "; raise the file size limit (ulimit -f)"};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {StatusCode::kResourceExhausted, message};
    case EACCES:
    case EPERM:
    case EROFS:
      return {StatusCode::kFailedPrecondition,
              message + "; give this user the right or choose another path"};
    case EISDIR:
      return {otherwise, message + "; rename or remove that folder"};
    case ENOENT:
      return {StatusCode::kNotFound, message};
    default:
      return {otherwise, message};
  }
}

Status check_regular_file(int fd, std::string_view name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    return file_error(name, "cannot be examined", errno, StatusCode::kBadInput);
  if (S_ISREG(info.st_mode)) return {};
  const char* kind = S_ISDIR(info.st_mode)    ? "a folder"
                     : S_ISFIFO(info.st_mode) ? "a pipe"
                     : S_ISSOCK(info.st_mode) ? "a socket"
                                              : "a device";
  return {StatusCode::kBadInput,
          std::string(name) + ": is " + kind + ", not a file; give an ordinary file"};
}

Result<UniqueFd> open_for_reading(const std::string& path) {
  // O_NONBLOCK: opening a pipe returns at once; it has no effect on regular files.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) return file_error(path, "cannot be opened", errno, StatusCode::kBadInput);
  RETURN_IF_ERROR(check_regular_file(fd.get(), path));
  return fd;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size, std::string_view name,
                            StatusCode otherwise) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(name, "cannot be read", errno, otherwise);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

Status write_all(int fd, std::span<const std::uint8_t> bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error(name, "cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace mimicfleet
