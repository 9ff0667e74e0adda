#include "worker/artefacts/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "common/bytes.h"
#include "common/files/atomic_file.h"
#include "common/files/io.h"
#include "common/files/list_folder.h"
#include "common/log.h"
#include "common/wire/codec.h"

namespace mimicfleet::artefacts {
namespace {

// File: magic, length of the header (4 bytes, little-endian), ArtefactRef as MessagePack, the
// artefact.
constexpr std::string_view kMagic = "MFA1";
constexpr std::size_t kPrefixBytes = 8;
constexpr std::size_t kMaxHeaderBytes = 4096;
constexpr std::string_view kSuffix = ".artefact";

std::string header_of(const jobs::ArtefactRef& ref) {
  const std::string encoded = wire::encode_struct(ref);
  std::string header(kMagic);
  append_little_endian(header, encoded.size(), kPrefixBytes - kMagic.size());
  return header + encoded;
}

struct FoundFile {
  jobs::ArtefactRef ref;
  std::uint64_t data_offset = 0;
  timespec modified{};
};

Result<FoundFile> examine(const std::string& path) {
  const Status damaged(StatusCode::kCorruption, path + ": is no artefact");
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  ASSIGN_OR_RETURN(const std::string prefix, read_at(fd.get(), 0, kPrefixBytes + kMaxHeaderBytes,
                                                     path, StatusCode::kCorruption));
  if (prefix.size() < kPrefixBytes || !prefix.starts_with(kMagic)) return damaged;
  const std::size_t header_bytes = from_little_endian(
      std::string_view(prefix).substr(kMagic.size(), kPrefixBytes - kMagic.size()));
  if (header_bytes > prefix.size() - kPrefixBytes) return damaged;
  ASSIGN_OR_RETURN(auto ref, wire::decode_struct<jobs::ArtefactRef>(
                                 std::string_view(prefix).substr(kPrefixBytes, header_bytes)));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return damaged;
  const std::uint64_t data_offset = kPrefixBytes + header_bytes;
  if (static_cast<std::uint64_t>(info.st_size) != data_offset + ref.size_bytes) return damaged;
  return FoundFile{std::move(ref), data_offset, info.st_mtim};
}

}  // namespace

Result<std::unique_ptr<ArtefactStore>> ArtefactStore::open(const std::string& folder,
                                                           std::uint64_t capacity_bytes) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return Status(StatusCode::kNotFound, folder + ": is no folder for artefacts");
  }
  std::unique_ptr<ArtefactStore> store(new ArtefactStore(folder, capacity_bytes));
  {
    const MutexLock lock(store->mutex_);
    RETURN_IF_ERROR(store->load());
  }
  return store;
}

std::string ArtefactStore::path_of(const Digest& content) const {
  return fmt::format("{}/{}{}", folder_, content.hex(), kSuffix);
}

Status ArtefactStore::load() {
  std::vector<FoundFile> found;
  ASSIGN_OR_RETURN(const auto files, list_folder(folder_));
  for (const auto& file : files) {
    const std::string name = file.path().filename();
    if (!name.ends_with(kSuffix) && !is_temporary_name(name)) continue;
    auto artefact = examine(file.path());
    if (artefact.ok() && file.path() == path_of(artefact->ref.content)) {
      found.push_back(std::move(*artefact));
    } else {
      log::debug("removing {}", file.path().string());
      std::error_code ignored;
      std::filesystem::remove(file.path(), ignored);
    }
  }
  std::sort(found.begin(), found.end(), [](const FoundFile& a, const FoundFile& b) {
    return std::pair(a.modified.tv_sec, a.modified.tv_nsec) <
           std::pair(b.modified.tv_sec, b.modified.tv_nsec);
  });
  for (auto& artefact : found) add({std::move(artefact.ref), artefact.data_offset});
  make_room(0);
  return {};
}

void ArtefactStore::add(Entry entry) {
  size_bytes_ += entry.ref.size_bytes;
  const Digest content = entry.ref.content;
  entries_.push_front(std::move(entry));
  by_content_[content] = entries_.begin();
}

void ArtefactStore::remove(const Digest& content) {
  const auto found = by_content_.find(content);
  if (found == by_content_.end()) return;
  ::unlink(path_of(content).c_str());
  size_bytes_ -= found->second->ref.size_bytes;
  entries_.erase(found->second);
  by_content_.erase(found);
}

void ArtefactStore::make_room(std::uint64_t bytes) {
  while (!entries_.empty() && size_bytes_ + bytes > capacity_bytes_) {
    const Digest oldest = entries_.back().ref.content;
    log::info("the artefact store is full; removed {}", oldest.hex());
    remove(oldest);
  }
}

Result<ArtefactStore::Entry> ArtefactStore::use(const Digest& content) {
  const MutexLock lock(mutex_);
  const auto found = by_content_.find(content);
  if (found == by_content_.end()) {
    return Status(StatusCode::kNotFound, fmt::format("artefact {} is not here", content.hex()));
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front();
}

Result<jobs::ArtefactRef> ArtefactStore::put(const Digest& key, const jobs::NumericsClass& numerics,
                                             std::string_view bytes) {
  const jobs::ArtefactRef ref{key, sha256(bytes), bytes.size(), numerics};
  if (const auto present = use(ref.content); present.ok()) return present->ref;
  if (bytes.size() > capacity_bytes_) {
    return Status(StatusCode::kResourceExhausted,
                  fmt::format("{}: an artefact of {} bytes does not fit into a store of {} bytes",
                              folder_, bytes.size(), capacity_bytes_));
  }
  const std::string header = header_of(ref);
  const MutexLock lock(mutex_);
  make_room(bytes.size());
  const auto write = [&]() -> Status {
    ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path_of(ref.content)));
    RETURN_IF_ERROR(file.write(header));
    RETURN_IF_ERROR(file.write(bytes));
    return file.commit_unsynced();  // read() finds damage, and what is lost is made again
  };
  Status written = write();
  while (written.code() == StatusCode::kResourceExhausted && !entries_.empty()) {
    remove(entries_.back().ref.content);  // another program filled the disk
    written = write();
  }
  RETURN_IF_ERROR(written);
  if (!by_content_.contains(ref.content)) add({ref, header.size()});
  return ref;
}

bool ArtefactStore::has(const Digest& content) const {
  const MutexLock lock(mutex_);
  return by_content_.contains(content);
}

std::optional<jobs::ArtefactRef> ArtefactStore::find(const Digest& key,
                                                     const jobs::NumericsClass& numerics) const {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.ref.key == key && entry.ref.numerics == numerics;
  });
  if (found == entries_.end()) return std::nullopt;
  return found->ref;
}

Result<std::string> ArtefactStore::read(const Digest& content) {
  ASSIGN_OR_RETURN(const Entry entry, use(content));
  const std::string path = path_of(content);
  auto bytes = [&]() -> Result<std::string> {
    ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
    return read_at(fd.get(), entry.data_offset, entry.ref.size_bytes, path,
                   StatusCode::kCorruption);
  }();
  if (bytes.ok() && sha256(*bytes) == content) return bytes;
  const MutexLock lock(mutex_);
  remove(content);
  return Status(StatusCode::kCorruption, path + ": is damaged and was removed");
}

Result<ArtefactStore::Piece> ArtefactStore::read_piece(const Digest& content, std::uint64_t offset,
                                                       std::size_t max_bytes) {
  ASSIGN_OR_RETURN(const Entry entry, use(content));
  if (offset > entry.ref.size_bytes) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("offset {} is beyond the artefact's end", offset));
  }
  const std::string path = path_of(content);
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  const auto size = std::min<std::uint64_t>(max_bytes, entry.ref.size_bytes - offset);
  ASSIGN_OR_RETURN(std::string bytes,
                   read_at(fd.get(), entry.data_offset + offset, static_cast<std::size_t>(size),
                           path, StatusCode::kCorruption));
  const bool is_last = offset + bytes.size() >= entry.ref.size_bytes;
  if (const Status whole = is_last ? read(content).status() : Status(); !whole.ok()) {
    log::warn("{}", whole.message());
  }
  return Piece{std::move(bytes), entry.ref.size_bytes};
}

std::vector<jobs::ArtefactRef> ArtefactStore::list(std::size_t limit) const {
  const MutexLock lock(mutex_);
  std::vector<jobs::ArtefactRef> refs;
  for (const auto& entry : entries_) {
    if (refs.size() == limit) break;
    refs.push_back(entry.ref);
  }
  return refs;
}

std::uint64_t ArtefactStore::size_bytes() const {
  const MutexLock lock(mutex_);
  return size_bytes_;
}

}  // namespace mimicfleet::artefacts
