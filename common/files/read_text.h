#pragma once

#include <cstddef>
#include <string>

#include "common/status.h"

namespace mimicfleet {

// The whole of a file. Codes of open_for_reading(); kBadInput for one of more than `limit_bytes`.
[[nodiscard]] Result<std::string> read_text(const std::string& path, std::size_t limit_bytes);

// The same of an open descriptor, from where it stands: files, pipes, terminals.
[[nodiscard]] Result<std::string> read_text(int fd, const std::string& name,
                                            std::size_t limit_bytes);

}  // namespace mimicfleet
