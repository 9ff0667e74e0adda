#pragma once

#include <cstddef>
#include <functional>
#include <limits>

#include "common/status.h"

namespace mimicfleet::pose {

// Calls work(0) … work(count - 1) on at::get_num_threads() threads, or `most_threads`, in any
// order; the first failure, by index, is the result. Exceptions of OpenCV and LibTorch become
// kInternal or kResourceExhausted.
[[nodiscard]] Status for_each_frame(
    std::size_t count, const std::function<Status(std::size_t)>& work,
    std::size_t most_threads = std::numeric_limits<std::size_t>::max());

}  // namespace mimicfleet::pose
