#include "common/files/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/files/io.h"
#include "common/id.h"

namespace mimicfleet {
namespace {

constexpr std::string_view kPrefix = ".mimicfleet-";
constexpr std::string_view kSuffix = ".part";
constexpr std::size_t kIdDigits = 32;
constexpr std::time_t kYoungest_s = 60;

// The folder part and the name of `path`.
std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// Folders of some network file systems cannot be synced; then a rename is as durable as they make it.
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

  const std::string temporary =
      std::string(kPrefix) + to_string(new_id<Id<AtomicFile>>()) + std::string(kSuffix);
  out.file_.reset(::openat(out.folder_.get(), temporary.c_str(),
                           O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!out.file_.valid()) return file_error(path, "cannot be written", errno);
  out.temporary_name_ = temporary;
  ::flock(out.fd(), LOCK_EX | LOCK_NB);  // for remove_abandoned_files(); without locks it removes nothing
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

Status AtomicFile::write(std::span<const std::uint8_t> bytes) { return write_all(fd(), bytes, path_); }

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

Status AtomicFile::commit() {
  CHECK(!temporary_name_.empty());
  Status status;
  if (::fsync(fd()) != 0) {
    status = file_error(path_, "cannot be written", errno);
  } else {
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

Status write_file_atomically(const std::string& path, std::string_view bytes) {
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

bool is_temporary_name(std::string_view file_name) {
  return file_name.size() == kPrefix.size() + kIdDigits + kSuffix.size() && file_name.starts_with(kPrefix) &&
         file_name.ends_with(kSuffix);
}

int remove_abandoned_files(const std::string& folder) {
  int removed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (!is_temporary_name(path.filename().native())) continue;
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    struct stat info {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) continue;
    if (std::time(nullptr) - info.st_mtim.tv_sec < kYoungest_s) continue;  // may not be locked yet
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (::unlink(path.c_str()) == 0) ++removed;
  }
  return removed;
}

}  // namespace mimicfleet
