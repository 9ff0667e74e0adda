#include "coordinator/client/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "common/files/absolute_path.h"
#include "common/files/atomic_file.h"
#include "common/files/io.h"
#include "common/files/read_text.h"
#include "common/id.h"
#include "common/log.h"
#include "common/wire/utf8.h"
#include "coordinator/client/missing_file.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLeastFreeBytes = 64 << 20;
constexpr std::uint64_t kFullBytes = 256 << 10;
constexpr std::size_t kMaxNonceBytes = 256;

using NonceId = Id<struct NonceTag>;

// What a failure to make or write a folder means, in one line with the remedy.
Status not_usable(const std::string& path, int cause) {
  if (cause == ENOTDIR || cause == EEXIST) {
    return {StatusCode::kFailedPrecondition,
            path + ": is not a folder; choose another --output-dir"};
  }
  Status status = file_error(path, "cannot be written", cause, StatusCode::kFailedPrecondition);
  if (status.code() == StatusCode::kFailedPrecondition)
    return {status.code(), status.message() + " (--output-dir)"};
  return status;
}

// Shards of one run start at the same time and must agree: the first link wins.
Result<std::string> make_nonce(const std::string& path) {
  if (auto known = read_text(path, kMaxNonceBytes); known.ok() && !known->empty()) return known;
  const std::string temporary = fmt::format("{}.{}", path, to_string(new_id<NonceId>()));
  const std::string nonce = to_string(new_id<NonceId>());
  RETURN_IF_ERROR(write_file_atomically(temporary, nonce));
  const int linked = ::link(temporary.c_str(), path.c_str());
  const int cause = errno;
  // File systems without hard links: there is no race to lose on the folders of one machine.
  if (linked != 0 && cause != EEXIST && ::rename(temporary.c_str(), path.c_str()) != 0) {
    return file_error(path, "cannot be written", errno);
  }
  ::unlink(temporary.c_str());
  return read_text(path, kMaxNonceBytes);
}

// That a folder which is not there yet is not written for a shell or another system.
Status check_meant(const std::string& path) {
  std::error_code error;
  const std::string why = fs::exists(path, error) ? "" : why_not_meant(path);
  if (why.empty()) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format("{}: {}; if it is meant so, make that folder first", log::printable(path), why)};
}

// Its name, and the space there.
Status check_place(const std::string& path) {
  if (path.empty()) return {StatusCode::kInvalidArgument, "--output-dir is empty: name a folder"};
  if (!wire::is_utf8(path)) {
    return {
        StatusCode::kInvalidArgument,
        fmt::format("{}: its name is not UTF-8; choose another --output-dir", wire::in_utf8(path))};
  }
  RETURN_IF_ERROR(check_meant(path));
  std::error_code error;
  const std::string folder = real_path(path);
  const auto space = fs::space(nearest_that_exists(folder), error);
  return error ? Status() : check_space(folder, space.available);
}

// Makes a folder in `existing` and removes it: rights alone do not tell what a file system allows.
Status check_writable(const std::string& path, const std::string& existing) {
  RETURN_IF_ERROR(check_way(path + "/_run"));
  if (::access(existing.c_str(), W_OK | X_OK) != 0) return not_usable(path, errno);
  std::string trial = existing + "/.mimicfleet-XXXXXX";
  if (::mkdtemp(trial.data()) == nullptr) return not_usable(path, errno);
  ::rmdir(trial.c_str());
  return {};
}

}  // namespace

Status check_space(const std::string& path, std::uint64_t free_bytes) {
  if (free_bytes >= kLeastFreeBytes) return {};
  return {
      StatusCode::kResourceExhausted,
      fmt::format(
          "{}: only {} MiB are free there and a run needs at least {}; free some space or choose "
          "another --output-dir",
          path, free_bytes >> 20, kLeastFreeBytes >> 20)};
}

Status check_way(const std::string& folder) {
  for (fs::path part = folder; part.has_relative_path(); part = part.parent_path()) {
    std::error_code error;
    const auto status = fs::symlink_status(part, error);
    if (!fs::exists(status)) continue;
    if (fs::is_directory(part, error)) return {};
    const bool dangles = fs::is_symlink(status) && !fs::exists(part, error);
    const std::string cause = dangles ? fmt::format("is a link to {}, which is not there",
                                                    fs::read_symlink(part, error).string())
                                      : "is not a folder";
    return {StatusCode::kFailedPrecondition,
            fmt::format("{}: {}; choose another --output-dir", part.string(), cause)};
  }
  return {};
}

std::string nearest_that_exists(const std::string& path) {
  std::error_code error;
  fs::path nearest = path;
  while (!fs::exists(nearest, error) && nearest.has_relative_path())
    nearest = nearest.parent_path();
  return nearest.string();
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const fs::path absolute = absolute_path(path);
  const fs::path real = fs::weakly_canonical(absolute, error);
  return (error ? absolute : real).string();
}

Status OutputFolder::check(const std::string& path) {
  RETURN_IF_ERROR(check_place(path));
  const std::string folder = real_path(path);
  return check_writable(folder, nearest_that_exists(folder + "/_run"));
}

Result<OutputFolder> OutputFolder::prepare(const std::string& path, std::size_t shard,
                                           std::size_t shards) {
  RETURN_IF_ERROR(check_place(path));
  OutputFolder folder;
  folder.path_ = real_path(path);
  folder.run_folder_ = folder.path_ + "/_run";
  if (shards > 1) folder.run_folder_ += fmt::format("/shard-{}-of-{}", shard, shards);
  RETURN_IF_ERROR(check_way(folder.run_folder_));
  std::error_code error;
  fs::create_directories(folder.run_folder_, error);
  if (error) return not_usable(folder.path_, error.value());
  if (::access(folder.path_.c_str(), W_OK | X_OK) != 0) return not_usable(folder.path_, errno);
  ASSIGN_OR_RETURN(folder.nonce_, make_nonce(folder.path_ + "/_run/nonce"));
  return folder;
}

Status OutputFolder::check_full() const {
  std::error_code error;
  const auto space = fs::space(path_, error);
  if (error || space.available >= kFullBytes) return {};
  return {StatusCode::kResourceExhausted,
          fmt::format("{}: its disk is full; free some space and run again: finished videos stay",
                      path_)};
}

Status check_latents_place(const std::string& cache_dir) {
  if (cache_dir.empty()) return {};
  RETURN_IF_ERROR(check_meant(cache_dir));
  const std::string real = real_path(cache_dir);
  return check_writable(real, nearest_that_exists(real + "/_run"));
}

Result<jobs::LatentsTarget> latents_place(const std::string& cache_dir,
                                          const jobs::OutputTarget& output, bool make) {
  jobs::LatentsTarget place{output.directory, "_latents/", output.nonce};
  if (cache_dir.empty()) return place;
  RETURN_IF_ERROR(check_meant(cache_dir));
  const std::string real = real_path(cache_dir);
  const std::string inside = output.directory + "/";
  if (real.starts_with(inside)) {
    place.relative = real.substr(inside.size()) + "/";
    return place;
  }
  place = {real, "", ""};
  if (!make) return place;
  std::error_code error;
  fs::create_directories(real + "/_run", error);
  if (error) return not_usable(real, error.value());
  ASSIGN_OR_RETURN(place.nonce, make_nonce(real + "/_run/nonce"));
  return place;
}

Status OutputFolder::lock() {
  const std::string path = run_folder_ + "/lock";
  lock_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.valid()) return file_error(path, "cannot be opened", errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  return {
      StatusCode::kFailedPrecondition,
      fmt::format("{}: another run writes there now; wait for it or choose another --output-dir",
                  path_)};
}

}  // namespace mimicfleet::coordinator
