#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/files/stable_file.h"
#include "common/status.h"

namespace mimicfleet::library {

// Files that are read more than once in a process's life and whose digests name what is made of
// them: models. One thread at a time.
class PinnedFiles {
 public:
  explicit PinnedFiles(FileDigestCache& digests) : digests_(digests) {}  // must outlive this object

  // The digest of the file, which is to have these bytes from now on. Codes of StableFile::open().
  [[nodiscard]] Result<Digest> pin(const std::string& path);

  // Runs `load`, which opens the files by their names, and returns its status if all that it read
  // was what is pinned. A file that was replaced by the same bytes is taken, one with others is
  // kInputChanged, naming it. `load` runs again when files changed while it read them.
  [[nodiscard]] Status read(const std::function<Status()>& load);

 private:
  [[nodiscard]] Status renew();
  [[nodiscard]] bool unchanged() const;

  FileDigestCache& digests_;
  std::vector<StableFile> files_;
};

}  // namespace mimicfleet::library
