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

[[nodiscard]] Status write_all(int fd, std::span<const std::uint8_t> bytes, std::string_view name);

// What a failed system call on `path` means, with the remedy: no space and full quotas are
// kResourceExhausted, missing rights kFailedPrecondition, absence kNotFound, the rest `otherwise`.
[[nodiscard]] Status file_error(std::string_view path, std::string_view action, int error_number,
                                StatusCode otherwise = StatusCode::kInternal);

}  // namespace mimicfleet
