#include "common/files/stable_file.h"

#include <utility>

#include "common/files/io.h"

namespace mimicfleet {

Result<StableFile> StableFile::open(const std::string& path, FileDigestCache* cache) {
  ASSIGN_OR_RETURN(UniqueFd fd, open_for_reading(path));
  return open(std::move(fd), path, cache);
}

Result<StableFile> StableFile::open(UniqueFd fd, const std::string& path, FileDigestCache* cache) {
  StableFile file;
  file.path_ = path;
  file.fd_ = std::move(fd);
  FileDigestCache own;
  ASSIGN_OR_RETURN(file.identity_, identity_of(file.fd(), path));
  ASSIGN_OR_RETURN(file.digest_, (cache != nullptr ? *cache : own).digest(file.fd(), path));
  RETURN_IF_ERROR(file.check_unchanged());
  return file;
}

Status StableFile::check_unchanged() const {
  const auto open_file = identity_of(fd(), path_);
  const auto named_file = identity_of(path_);
  if (open_file.ok() && named_file.ok() && *open_file == identity_ && *named_file == identity_)
    return {};
  const char* how = !named_file.ok()                       ? "was deleted"
                    : named_file->inode != identity_.inode ? "was replaced"
                                                           : "was written to";
  return {StatusCode::kInputChanged, path_ + ": " + how + " during the run; submit it again"};
}

}  // namespace mimicfleet
