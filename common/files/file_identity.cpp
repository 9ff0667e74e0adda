#include "common/files/file_identity.h"

#include <sys/stat.h>

#include <cerrno>

#include "common/files/io.h"

namespace mimicfleet {
namespace {

FileIdentity identity_from(const struct stat& info) {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = static_cast<std::uint64_t>(info.st_size),
          .mtime_ns = info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec};
}

}  // namespace

Result<FileIdentity> identity_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return file_error(path, "cannot be examined", errno, StatusCode::kBadInput);
  }
  return identity_from(info);
}

Result<FileIdentity> identity_of(int fd, std::string_view name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    return file_error(name, "cannot be examined", errno, StatusCode::kBadInput);
  return identity_from(info);
}

}  // namespace mimicfleet
