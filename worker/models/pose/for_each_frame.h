#pragma once

#include <cstddef>
#include <functional>

#include "common/status.h"

namespace mimicfleet::pose {

// Calls work(0) … work(count - 1) on at::get_num_threads() threads, in any order; the first failure, by
// index, is the result. Exceptions of OpenCV and LibTorch become kInternal or kResourceExhausted.
[[nodiscard]] Status for_each_frame(std::size_t count, const std::function<Status(std::size_t)>& work);

}  // namespace mimicfleet::pose
