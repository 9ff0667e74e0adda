#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet {

// What tells, without reading it, that a file is still the same and unchanged. A file that is
// replaced or written to differs in one of these.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;

  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

// Follows symbolic links. kNotFound and the other codes of file_error().
[[nodiscard]] Result<FileIdentity> identity_of(const std::string& path);
[[nodiscard]] Result<FileIdentity> identity_of(int fd, std::string_view name);

}  // namespace mimicfleet
