#include "tests/paths.h"

#include <cstdlib>

namespace mimicfleet {

std::string source_path(std::string_view below_repository) {
  const char* moved = std::getenv("MIMICFLEET_SOURCE_DIR");
  return std::string(moved == nullptr ? MIMICFLEET_SOURCE_DIR : moved)
      .append("/")
      .append(below_repository);
}

std::string binary_path(std::string_view below_build) {
  return std::string(MIMICFLEET_BINARY_DIR "/").append(below_build);
}

}  // namespace mimicfleet
