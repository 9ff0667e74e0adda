#include "common/files/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/files/io.h"
#include "common/files/list_folder.h"
#include "common/id.h"

namespace mimicfleet {
namespace {

constexpr std::string_view kPrefix = ".mimicfleet-";
constexpr std::string_view kSuffix = ".part";
constexpr std::size_t kIdDigits = 32;
constexpr std::time_t kYoungest_s = 60;
constexpr std::string_view kLockName = "/lock";  // in a ScratchFolder

std::string new_temporary_name() {
  return std::string(kPrefix) + to_string(new_id<Id<AtomicFile>>()) + std::string(kSuffix);
}

// For remove_abandoned_files(). Somebody else holds it only for the moment of looking at it. Where
// there are no locks it fails, and nothing is ever removed.
void lock(int fd) {
  while (::flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
}

bool is_young(const struct stat& info) {
  return std::time(nullptr) - info.st_mtim.tv_sec < kYoungest_s;
}

// Of a file that is locked before anything is written to it, and until its process ends.
bool is_abandoned(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || (info.st_size == 0 && is_young(info))) return false;
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0;
}

bool is_abandoned_folder(const std::filesystem::path& path) {
  const std::string lock_path = path.string() + std::string(kLockName);
  const UniqueFd fd(::open(lock_path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (fd.valid()) return is_abandoned(fd.get());
  struct stat info {};
  return errno == ENOENT && ::stat(path.c_str(), &info) == 0 && !is_young(info);
}

// Whether it was there and is none of a living process.
bool remove_if_abandoned(const std::filesystem::directory_entry& entry) {
  const std::filesystem::path& path = entry.path();
  if (!is_temporary_name(path.filename().native())) return false;
  std::error_code error;
  if (entry.symlink_status(error).type() == std::filesystem::file_type::directory) {
    return is_abandoned_folder(path) && std::filesystem::remove_all(path, error) > 0 && !error;
  }
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  return fd.valid() && is_abandoned(fd.get()) && ::unlink(path.c_str()) == 0;
}

// The folder part and the name of `path`.
std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// Folders of some network file systems cannot be synced; then a rename is as durable as they make
// it.
bool sync_folder(int fd) { return ::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP; }

}  // namespace

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  AtomicFile out;
  out.path_ = path;
  auto [folder, name] = split(path);
  if (name.empty() || name == "." || name == "..") {
    return Status(StatusCode::kInvalidArgument, path + ": is not a file name");
  }
  out.name_ = std::move(name);
  out.folder_.reset(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.folder_.valid()) return file_error(path, "its folder cannot be opened", errno);

  const std::string temporary = new_temporary_name();
  out.file_.reset(::openat(out.folder_.get(), temporary.c_str(),
                           O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!out.file_.valid()) return file_error(path, "cannot be written", errno);
  out.temporary_name_ = temporary;
  lock(out.fd());
  return out;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      name_(std::move(other.name_)),
      temporary_name_(std::exchange(other.temporary_name_, {})),
      folder_(std::move(other.folder_)),
      file_(std::move(other.file_)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  abandon();
  path_ = std::move(other.path_);
  name_ = std::move(other.name_);
  temporary_name_ = std::exchange(other.temporary_name_, {});
  folder_ = std::move(other.folder_);
  file_ = std::move(other.file_);
  return *this;
}

AtomicFile::~AtomicFile() { abandon(); }

void AtomicFile::abandon() {
  if (!temporary_name_.empty()) ::unlinkat(folder_.get(), temporary_name_.c_str(), 0);
  temporary_name_.clear();
  file_.reset();
}

Status AtomicFile::write(std::span<const std::uint8_t> bytes) {
  return write_all(fd(), bytes, path_);
}

Status AtomicFile::write(std::string_view bytes) {
  return write(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

Status AtomicFile::rename() {
  if (::renameat(folder_.get(), temporary_name_.c_str(), folder_.get(), name_.c_str()) != 0) {
    return file_error(path_, "cannot be put in place", errno, StatusCode::kFailedPrecondition);
  }
  temporary_name_.clear();
  return {};
}

Status AtomicFile::commit(const Permit& permit) {
  CHECK(!temporary_name_.empty());
  Status status;
  if (::fsync(fd()) != 0) status = file_error(path_, "cannot be written", errno);
  if (status.ok() && permit) status = permit();
  if (status.ok()) {
    status = rename();
    if (status.ok() && !sync_folder(folder_.get())) {
      status = file_error(path_, "its folder cannot be synced", errno);
    }
  }
  abandon();
  return status;
}

Status AtomicFile::commit_unsynced() {
  CHECK(!temporary_name_.empty());
  Status status = rename();
  abandon();
  return status;
}

Status write_file_atomically(const std::string& path, std::string_view bytes,
                             const Permit& permit) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  RETURN_IF_ERROR(file.write(bytes));
  return file.commit(permit);
}

Result<ScratchFolder> ScratchFolder::create(const std::string& parent) {
  const std::string path = parent + '/' + new_temporary_name();
  if (::mkdir(path.c_str(), 0777) != 0) return file_error(parent, "cannot be written to", errno);
  ScratchFolder out;
  out.path_ = path;
  const std::string lock_path = path + std::string(kLockName);
  out.lock_.reset(
      ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!out.lock_.valid()) return file_error(lock_path, "cannot be written", errno);
  lock(out.lock_.get());
  constexpr std::uint8_t kLocked = 1;
  RETURN_IF_ERROR(write_all(out.lock_.get(), {&kLocked, 1}, lock_path));
  return out;
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

bool is_temporary_name(std::string_view file_name) {
  return file_name.size() == kPrefix.size() + kIdDigits + kSuffix.size() &&
         file_name.starts_with(kPrefix) && file_name.ends_with(kSuffix);
}

int remove_abandoned_files(const std::string& folder) {
  const auto entries = list_folder(folder);
  if (!entries.ok()) return 0;
  return static_cast<int>(std::count_if(entries->begin(), entries->end(), remove_if_abandoned));
}

int remove_abandoned_files_below(const std::string& folder) {
  int removed = remove_abandoned_files(folder);
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (entry->symlink_status(gone).type() != std::filesystem::file_type::directory) continue;
    removed += remove_abandoned_files(entry->path());
  }
  return removed;
}

}  // namespace mimicfleet
