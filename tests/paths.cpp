#include "tests/paths.h"

namespace mimicfleet {

std::string source_path(std::string_view below_repository) {
  return std::string(MIMICFLEET_SOURCE_DIR "/").append(below_repository);
}

std::string binary_path(std::string_view below_build) {
  return std::string(MIMICFLEET_BINARY_DIR "/").append(below_build);
}

}  // namespace mimicfleet
