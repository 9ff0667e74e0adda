#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet {

// Opens a file for reading. kNotFound, kFailedPrecondition (not readable by this user), kBadInput
// (a folder, a pipe, a device). Never waits for a writer of a pipe.
[[nodiscard]] Result<UniqueFd> open_for_reading(const std::string& path);

// kBadInput unless `fd` is a regular file.
[[nodiscard]] Status check_regular_file(int fd, std::string_view name);

// `size` bytes from `offset`, fewer at the end of the file. Does not move the file position. Codes
// of file_error(), `otherwise` for a disk that cannot be read.
[[nodiscard]] Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size,
                                          std::string_view name, StatusCode otherwise);

[[nodiscard]] Status write_all(int fd, std::span<const std::uint8_t> bytes, std::string_view name);

// What a failed system call on `path` means, with the remedy: no space and full quotas are
// kResourceExhausted, missing rights kFailedPrecondition, absence kNotFound, the rest `otherwise`.
[[nodiscard]] Status file_error(std::string_view path, std::string_view action, int error_number,
                                StatusCode otherwise = StatusCode::kInternal);

}  // namespace mimicfleet
