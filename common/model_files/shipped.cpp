#include "common/model_files/shipped.h"

#include <array>
#include <filesystem>

namespace mimicfleet::model_root {

std::optional<std::string> shipped_root() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path programs = fs::read_symlink("/proc/self/exe", error).parent_path();
  const std::array<fs::path, 2> candidates = {programs / MIMICFLEET_DATA "/models/puppet",
                                              programs / "../../models/puppet"};
  for (const auto& candidate : candidates) {
    if (fs::is_directory(candidate, error)) return candidate.lexically_normal().string();
  }
  return std::nullopt;
}

}  // namespace mimicfleet::model_root
