#include "worker/library/pinned_files.h"

#include <algorithm>
#include <utility>

namespace mimicfleet::library {
namespace {

constexpr int kTries = 3;

Status changed(const std::string& path) {
  return {StatusCode::kInputChanged,
          path + ": is no longer what it was when this worker started; start the worker again"};
}

}  // namespace

Result<Digest> PinnedFiles::pin(const std::string& path) {
  ASSIGN_OR_RETURN(StableFile file, StableFile::open(path, &digests_));
  files_.push_back(std::move(file));
  return files_.back().digest();
}

bool PinnedFiles::unchanged() const {
  return std::all_of(files_.begin(), files_.end(),
                     [](const StableFile& file) { return file.check_unchanged().ok(); });
}

Status PinnedFiles::renew() {
  for (StableFile& file : files_) {
    if (file.check_unchanged().ok()) continue;
    auto now = StableFile::open(file.path(), &digests_);
    const bool gone = now.status().code() == StatusCode::kNotFound;
    if (gone || (now.ok() && now->digest() != file.digest())) return changed(file.path());
    if (!now.ok()) return now.status();
    file = *std::move(now);
  }
  return {};
}

Status PinnedFiles::read(const std::function<Status()>& load) {
  for (int i = 0; i < kTries; ++i) {
    RETURN_IF_ERROR(renew());
    const Status status = load();
    if (unchanged()) return status;
  }
  return {StatusCode::kUnavailable,
          "the models are being written to all the time; wait until they are whole"};
}

}  // namespace mimicfleet::library
