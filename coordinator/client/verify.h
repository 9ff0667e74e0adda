#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet::coordinator {

// What is wrong with one output, or nothing (`problem` empty).
struct CheckedOutput {
  std::string name;  // below the folder, without suffix
  std::string problem;
  std::int32_t frames = 0;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("problem", self.problem);
    field("frames", self.frames);
  }
};

// Compares every MP4 below `folder` with the record beside it: that there is one, size and digest,
// and (unless `quick`) that it decodes completely to as many frames. Records without an MP4 are
// problems, too. `use` gets each as it is checked, in order. kNotFound: no such folder, or no
// outputs in it.
[[nodiscard]] Status verify_outputs(const std::string& folder, bool quick,
                                    const std::function<void(const CheckedOutput&)>& use);

}  // namespace mimicfleet::coordinator
