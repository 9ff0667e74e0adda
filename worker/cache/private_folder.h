#pragma once

#include <string>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet::cache {

// A folder that this process alone may use, as long as the object lives: `parent`/`name`, or
// `name`-2, -3, … when other processes hold those. Workers of one host that are given the same
// folder thus never share files.
class PrivateFolder {
 public:
  // Makes missing folders, for their owner only; what is there may also be read-only. Symbolic
  // links in `parent` are resolved first, so that two ways to one folder are one.
  // kFailedPrecondition or kResourceExhausted, naming the folder.
  [[nodiscard]] static Result<PrivateFolder> claim(const std::string& parent,
                                                   const std::string& name);

  // `path` itself, which must be there. kFailedPrecondition when a process holds it.
  [[nodiscard]] static Result<PrivateFolder> claim_existing(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  PrivateFolder() = default;
  std::string path_;
  UniqueFd lock_;
};

}  // namespace mimicfleet::cache
