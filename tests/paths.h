#pragma once

#include <string>
#include <string_view>

namespace mimicfleet {

// Where tests find the repository's data (MIMICFLEET_SOURCE_DIR, if it was moved) and the built
// programs. In one translation unit, so that all others compile to the same object in every
// checkout and the compiler cache serves them.
[[nodiscard]] std::string source_path(std::string_view below_repository);
[[nodiscard]] std::string binary_path(std::string_view below_build);

}  // namespace mimicfleet
