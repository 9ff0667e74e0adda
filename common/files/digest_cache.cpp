#include "common/files/digest_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "common/files/atomic_file.h"
#include "common/files/io.h"

namespace mimicfleet {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kMaxLine = 512;
constexpr std::uintmax_t kMaxStoreBytes = 16 << 20;  // about 100,000 entries

// A file written to within this time may be written to again without its time stamp changing.
constexpr std::int64_t kSettled_ns = 2'000'000'000;

bool is_settled(const FileIdentity& identity) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(now).count() - identity.mtime_ns > kSettled_ns;
}

// `v1 device inode size mtime_ns sha256 checksum`
std::string line_of(const FileIdentity& identity, const Digest& digest) {
  std::string line = "v1 " + std::to_string(identity.device) + ' ' +
                     std::to_string(identity.inode) + ' ' + std::to_string(identity.size) + ' ' +
                     std::to_string(identity.mtime_ns) + ' ' + digest.hex();
  return line + ' ' + std::to_string(checksum64(line));
}

std::optional<std::pair<FileIdentity, Digest>> parse_line(const std::string& line) {
  FileIdentity identity;
  char hex[65] = {};
  std::uint64_t checksum = 0;
  if (line.size() > kMaxLine ||
      std::sscanf(line.c_str(),
                  "v1 %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %64[0-9a-f] %" SCNu64,
                  &identity.device, &identity.inode, &identity.size, &identity.mtime_ns, hex,
                  &checksum) != 6) {
    return std::nullopt;
  }
  const auto digest = Digest::from_hex(hex);
  // Writing the entry anew and comparing checks the checksum and every byte around it.
  if (!digest || line_of(identity, *digest) != line) return std::nullopt;
  return std::pair{identity, *digest};
}

}  // namespace

Result<Digest> sha256_of(int fd, std::string_view name) {
  Hasher hasher;
  std::vector<std::uint8_t> buffer(kReadBytes);
  for (off_t offset = 0;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(name, "cannot be read", errno, StatusCode::kBadInput);
    if (got == 0) return hasher.finish();
    hasher.update(std::span(buffer.data(), static_cast<std::size_t>(got)));
    offset += got;
  }
}

FileDigestCache::FileDigestCache(std::string store) : store_(std::move(store)) {
  if (!store_.empty()) load();
}

void FileDigestCache::load() {
  const MutexLock lock(mutex_);
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(store_).parent_path(), ignored);
  const auto bytes = std::filesystem::file_size(store_, ignored);
  if (!ignored && bytes > kMaxStoreBytes) {
    static_cast<void>(
        write_file_atomically(store_, ""));  // start anew; what is lost is hashed again
    return;
  }
  std::ifstream in(store_, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    if (const auto entry = parse_line(line)) digests_[entry->first] = entry->second;
  }
}

Result<Digest> FileDigestCache::digest(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return digest(fd.get(), path);
}

Result<Digest> FileDigestCache::digest(int fd, std::string_view name) {
  ASSIGN_OR_RETURN(const FileIdentity before, identity_of(fd, name));
  {
    const MutexLock lock(mutex_);
    const auto found = digests_.find(before);
    if (found != digests_.end()) return found->second;
  }
  ASSIGN_OR_RETURN(const Digest digest, sha256_of(fd, name));
  ASSIGN_OR_RETURN(const FileIdentity after, identity_of(fd, name));
  if (before != after) {
    return Status(StatusCode::kInputChanged, std::string(name) +
                                                 ": changed while it was read; submit it " +
                                                 "again when it is complete");
  }
  if (is_settled(after)) remember(after, digest);
  return digest;
}

void FileDigestCache::remember(const FileIdentity& identity, const Digest& digest) {
  const MutexLock lock(mutex_);
  digests_[identity] = digest;
  if (store_.empty()) return;
  // The leading line break ends a line that a killed process left torn.
  const std::string line = '\n' + line_of(identity, digest) + '\n';
  const UniqueFd fd(::open(store_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid() || ::flock(fd.get(), LOCK_EX) != 0) return;
  static_cast<void>(write_all(
      fd.get(), {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()}, store_));
}

}  // namespace mimicfleet
