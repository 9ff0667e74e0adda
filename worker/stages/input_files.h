#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/files/roots.h"
#include "common/files/stable_file.h"
#include "jobs/task.h"

namespace mimicfleet::stages {

// The files that jobs name, as far as this worker may and does see them. Thread-safe.
class InputFiles {
 public:
  // Without roots any file that the worker's user can read may be named. `digests` must outlive
  // this object. kNotFound or kFailedPrecondition, naming the root.
  [[nodiscard]] static Result<InputFiles> open(const std::vector<std::string>& roots,
                                               FileDigestCache& digests);

  // The file if it is still what it was when the job was made. kInputChanged if size or digest
  // differ; kNotFound and kFailedPrecondition say what this worker lacks. Never kBadInput: the
  // client has read it.
  [[nodiscard]] Result<StableFile> open_input(const jobs::FileRef& file) const;

  // kFailedPrecondition unless the folder, with links followed, is one of the roots or below one.
  [[nodiscard]] Status check_output_folder(const std::string& directory) const;

 private:
  explicit InputFiles(FileDigestCache& digests) : digests_(&digests) {}
  [[nodiscard]] Result<StableFile> open_as_it_was(const jobs::FileRef& file) const;

  std::optional<Roots> roots_;
  std::vector<std::string> real_roots_;
  FileDigestCache* digests_;
};

}  // namespace mimicfleet::stages
