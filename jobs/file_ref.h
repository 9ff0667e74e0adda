#pragma once

#include <cstdint>
#include <string>

#include "common/digest.h"

namespace mimicfleet::jobs {

// A file by content; `path` is only where the submitting client saw it.
struct FileRef {
  std::string path;
  Digest digest;
  std::uint64_t size_bytes = 0;

  friend bool operator==(const FileRef&, const FileRef&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("path", self.path);
    field("digest", self.digest);
    field("size_bytes", self.size_bytes);
  }
};

}  // namespace mimicfleet::jobs
