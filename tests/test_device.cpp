#include "tests/test_device.h"

#include <cstdlib>
#include <iostream>

#include "worker/device/cuda_driver.h"

namespace mimicfleet {

std::string test_device_name() {
  const char* wanted = std::getenv("MIMICFLEET_TEST_DEVICE");
  std::string name = wanted == nullptr ? "cpu" : wanted;
  if (!name.starts_with("cuda")) return name;
  const device::CudaDriver driver;
  if (driver.count() > 0) return name;
  std::cerr << driver.why_none() << "\n";
  std::_Exit(kNoGpu);
}

}  // namespace mimicfleet
