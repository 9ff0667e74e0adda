#pragma once

#include <cstdint>
#include <vector>

#include "common/model_files/weights/tensor_set.h"

namespace mimicfleet::weights {

// The elements in the order of the shape, without gaps.
[[nodiscard]] std::vector<std::uint8_t> contiguous_bytes(const TensorView& tensor);

}  // namespace mimicfleet::weights
