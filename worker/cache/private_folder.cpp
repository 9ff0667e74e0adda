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
  std::filesystem::create_directories(absolute.parent_path(), error);  // the next line says what is wrong
  RETURN_IF_ERROR(make_folder(absolute));
  const auto real = std::filesystem::canonical(absolute, error);
  if (error) return file_error(path, "cannot be opened", error.value(), StatusCode::kFailedPrecondition);
  return real.string();
}

}  // namespace

Result<PrivateFolder> PrivateFolder::claim(const std::string& parent, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string real_parent, real_folder(parent));
  for (int number = 1; number <= kMaxFolders; ++number) {
    PrivateFolder folder;
    folder.path_ = number == 1 ? fmt::format("{}/{}", real_parent, name)
                               : fmt::format("{}/{}-{}", real_parent, name, number);
    RETURN_IF_ERROR(make_folder(folder.path_));
    const std::string lock = folder.path_ + kLockName;
    folder.lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!folder.lock_.valid()) {
      return file_error(lock, "cannot be written", errno, StatusCode::kFailedPrecondition);
    }
    if (::flock(folder.lock_.get(), LOCK_EX | LOCK_NB) == 0) return folder;
    if (errno != EWOULDBLOCK) {
      return file_error(lock, "cannot be locked", errno, StatusCode::kFailedPrecondition);
    }
  }
  return Status(StatusCode::kResourceExhausted,
                fmt::format("{}: {} folders are in use by other processes", real_parent, kMaxFolders));
}

}  // namespace mimicfleet::cache
