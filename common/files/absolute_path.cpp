#include "common/files/absolute_path.h"

namespace mimicfleet {

std::filesystem::path absolute_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  const std::filesystem::path clean = (error ? path : absolute).lexically_normal();
  return clean.has_filename() || !clean.has_relative_path() ? clean : clean.parent_path();
}

}  // namespace mimicfleet
