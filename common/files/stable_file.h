#pragma once

#include <string>

#include "common/digest.h"
#include "common/files/digest_cache.h"
#include "common/files/file_identity.h"
#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet {

// An input file, opened once and named by the SHA-256 of what it held. Everything that reads it
// reads through fd(); check_unchanged() afterwards tells whether the digest still names what was
// read.
class StableFile {
 public:
  // `cache` may be null. Codes as open_for_reading() and FileDigestCache::digest().
  [[nodiscard]] static Result<StableFile> open(const std::string& path,
                                               FileDigestCache* cache = nullptr);
  // For a file that was opened otherwise, such as below a root; `path` must still lead to it.
  [[nodiscard]] static Result<StableFile> open(UniqueFd fd, const std::string& path,
                                               FileDigestCache* cache = nullptr);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const FileIdentity& identity() const { return identity_; }
  [[nodiscard]] const Digest& digest() const { return digest_; }

  // kInputChanged if the file was written to, replaced, renamed or deleted since it was opened.
  [[nodiscard]] Status check_unchanged() const;

 private:
  StableFile() = default;

  std::string path_;
  UniqueFd fd_;
  FileIdentity identity_;
  Digest digest_;
};

}  // namespace mimicfleet
