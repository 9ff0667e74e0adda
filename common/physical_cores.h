#pragma once

#include <cstddef>

namespace mimicfleet {

// Physical cores that this process may run on: hardware threads of one core count once.
[[nodiscard]] std::size_t physical_cores();

}  // namespace mimicfleet
