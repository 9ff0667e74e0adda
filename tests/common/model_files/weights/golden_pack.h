#pragma once

#include <string>

#include "tests/paths.h"

namespace mimicfleet::weights {

inline std::string golden_pack(const std::string& path) {
  return source_path("tests/goldens/pack_a/") + path;
}

}  // namespace mimicfleet::weights
