#include "worker/stages/input_files.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "common/files/io.h"

namespace mimicfleet::stages {

Result<InputFiles> InputFiles::open(const std::vector<std::string>& roots,
                                    FileDigestCache& digests) {
  InputFiles files(digests);
  if (roots.empty()) return files;
  ASSIGN_OR_RETURN(files.roots_, Roots::open(roots));
  for (const auto& root : roots) {
    std::error_code error;
    files.real_roots_.push_back((std::filesystem::canonical(root, error) / "").string());
    if (error) return Status(StatusCode::kNotFound, fmt::format("{}: {}", root, error.message()));
  }
  return files;
}

// The client read the file when it made the job: what is wrong with it now is so on this host,
// until others see the same.
Result<StableFile> InputFiles::open_input(const jobs::FileRef& file) const {
  auto opened = open_as_it_was(file);
  const StatusCode code = opened.status().code();
  const bool told =
      opened.ok() || code == StatusCode::kNotFound || code == StatusCode::kInputChanged;
  if (told || code == StatusCode::kResourceExhausted) return opened;
  return Status(StatusCode::kFailedPrecondition, opened.status().message());
}

Result<StableFile> InputFiles::open_as_it_was(const jobs::FileRef& file) const {
  auto fd = roots_ ? roots_->open_file(file.path) : open_for_reading(file.path);
  if (!fd.ok() && fd.status().code() == StatusCode::kNotFound) {
    return Status(StatusCode::kNotFound,
                  fd.status().message() +
                      "; it was there when the job was made: is its folder shared with this "
                      "worker's host?");
  }
  if (!fd.ok()) return fd.status();
  const Status changed(
      StatusCode::kInputChanged,
      file.path + ": is no longer what it was when the job was made; submit it again");
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(fd->get(), file.path));
  if (identity.size != file.size_bytes) return changed;
  ASSIGN_OR_RETURN(StableFile stable, StableFile::open(*std::move(fd), file.path, digests_));
  if (stable.digest() != file.digest) return changed;
  return stable;
}

Status InputFiles::check_output_folder(const std::string& directory) const {
  if (!roots_) return {};
  std::error_code error;
  const std::string real = (std::filesystem::canonical(directory, error) / "").string();
  const bool below = std::any_of(real_roots_.begin(), real_roots_.end(),
                                 [&](const std::string& root) { return real.starts_with(root); });
  if (!error && below) return {};
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: {}; start the worker with --roots and that folder", directory,
                      error ? error.message() : "is below none of this worker's roots")};
}

}  // namespace mimicfleet::stages
