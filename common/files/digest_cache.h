#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/files/file_identity.h"
#include "common/mutex.h"
#include "common/status.h"

namespace mimicfleet {

// SHA-256 of the bytes that `fd` has now. Does not move the file position.
[[nodiscard]] Result<Digest> sha256_of(int fd, std::string_view name);

// Remembers the SHA-256 of files by their identity, so that gigabytes of weights are read once. The
// memory is a text file that several processes append to: one line an entry, each with its own
// checksum; a damaged or torn line is skipped, an unusable file is as good as none. All methods may
// be called from any thread.
class FileDigestCache {
 public:
  // `store`: path of the memory; empty = this process only. Its folder is made when missing.
  explicit FileDigestCache(std::string store = {});

  [[nodiscard]] Result<Digest> digest(const std::string& path);
  // kInputChanged if the file is written to while it is read.
  [[nodiscard]] Result<Digest> digest(int fd, std::string_view name);

 private:
  void load();
  void remember(const FileIdentity& identity, const Digest& digest);

  std::string store_;
  Mutex mutex_;
  std::map<FileIdentity, Digest> digests_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet
