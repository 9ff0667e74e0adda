#pragma once

#include <filesystem>

namespace mimicfleet {

// `path` below the working folder unless it is absolute, without ".", ".." and a final slash; links
// stay. Never throws: an empty path, and any when the working folder is gone, stays as it is.
[[nodiscard]] std::filesystem::path absolute_path(const std::filesystem::path& path);

}  // namespace mimicfleet
