#pragma once

#include <cstdint>
#include <string>

#include "common/digest.h"

namespace mimicfleet::jobs {

// A file by content; `path` is only where the submitting client saw it. `reading`: what makes a
// driving video or reference image what a viewer shows (av::Reading::text()); empty: it is read as
// the original does.
struct FileRef {
  std::string path;
  Digest digest;
  std::uint64_t size_bytes = 0;
  std::string reading{};

  friend bool operator==(const FileRef&, const FileRef&) = default;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("path", self.path);
    field("digest", self.digest);
    field("size_bytes", self.size_bytes);
    field("reading", self.reading);
  }
};

}  // namespace mimicfleet::jobs
