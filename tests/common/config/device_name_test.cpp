#include "common/config/device_name.h"

#include <gtest/gtest.h>

namespace mimicfleet::config {
namespace {

TEST(DeviceName, IsReadInAnyCase) {
  EXPECT_EQ(*parse_device_name("auto"), "auto");
  EXPECT_EQ(*parse_device_name("CPU"), "cpu");
  EXPECT_EQ(*parse_device_name("CUDA:12"), "cuda:12");
}

TEST(DeviceName, OfCudaAloneIsItsFirst) { EXPECT_EQ(*parse_device_name("cuda"), "cuda:0"); }

TEST(DeviceName, ThatIsNoneIsNamed) {
  for (const auto* device : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:9999", "cuda0"}) {
    EXPECT_EQ(parse_device_name(device).status().message(),
              std::string("'") + device + "' is not auto, cpu, cuda or cuda:N");
  }
}

}  // namespace
}  // namespace mimicfleet::config
