#include "worker/cache/private_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "common/files/io.h"

namespace mimicfleet::cache {
namespace {

constexpr int kMaxFolders = 256;
constexpr const char* kLockName = "/.lock";

Status make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return file_error(path, "cannot be made", errno, StatusCode::kFailedPrecondition);
}

Result<std::string> real_folder(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::filesystem::create_directories(absolute.parent_path(),
                                      error);  // the next line says what is wrong
  RETURN_IF_ERROR(make_folder(absolute));
  const auto real = std::filesystem::canonical(absolute, error);
  if (error)
    return file_error(path, "cannot be opened", error.value(), StatusCode::kFailedPrecondition);
  return real.string();
}

// On a disk that cannot be written an existing lock file serves as well.
UniqueFd open_lock(const std::string& path) {
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  const int error = errno;
  if (!lock.valid() && (error == EROFS || error == EACCES)) {
    lock.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  }
  return lock;
}

// True if the lock is ours now, false if another process has it.
Result<bool> lock_folder(const std::string& folder, UniqueFd& lock) {
  const std::string path = folder + kLockName;
  lock = open_lock(path);
  if (!lock.valid())
    return file_error(path, "cannot be written", errno, StatusCode::kFailedPrecondition);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return file_error(path, "cannot be locked", errno, StatusCode::kFailedPrecondition);
}

}  // namespace

Result<PrivateFolder> PrivateFolder::claim(const std::string& parent, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string real_parent, real_folder(parent));
  for (int number = 1; number <= kMaxFolders; ++number) {
    PrivateFolder folder;
    folder.path_ = number == 1 ? fmt::format("{}/{}", real_parent, name)
                               : fmt::format("{}/{}-{}", real_parent, name, number);
    RETURN_IF_ERROR(make_folder(folder.path_));
    ASSIGN_OR_RETURN(const bool ours, lock_folder(folder.path_, folder.lock_));
    if (ours) return folder;
  }
  return Status(
      StatusCode::kResourceExhausted,
      fmt::format("{}: {} folders are in use by other processes", real_parent, kMaxFolders));
}

Result<PrivateFolder> PrivateFolder::claim_existing(const std::string& path) {
  PrivateFolder folder;
  folder.path_ = path;
  ASSIGN_OR_RETURN(const bool ours, lock_folder(path, folder.lock_));
  if (ours) return folder;
  return Status(StatusCode::kFailedPrecondition,
                fmt::format("{}: a worker uses it now; stop that worker first", path));
}

}  // namespace mimicfleet::cache
