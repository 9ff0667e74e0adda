#pragma once

#include <string>

namespace mimicfleet {

// What tests of the models and of GPUs compute on: MIMICFLEET_TEST_DEVICE (cuda:0), else "cpu".
// Ends the test binary with kNoGpu if a GPU is wanted and the driver shows none; whatever else a
// GPU lacks is a failure.
[[nodiscard]] std::string test_device_name();
inline constexpr int kNoGpu = 77;

}  // namespace mimicfleet
