#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet {

// What lies in a folder (not below it), in no order. Unlike the standard library's iterators in a
// range-for it does not throw when reading on fails, and what could not be read is not passed over.
// Codes of file_error(), such as kNotFound.
[[nodiscard]] Result<std::vector<std::filesystem::directory_entry>> list_folder(
    const std::string& folder);

}  // namespace mimicfleet
