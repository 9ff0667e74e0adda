#include "common/physical_cores.h"

#include <thread>

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

TEST(PhysicalCores, AreAtLeastOneAndAtMostTheHardwareThreads) {
  EXPECT_GE(physical_cores(), 1);
  EXPECT_LE(physical_cores(), std::thread::hardware_concurrency());
}

}  // namespace
}  // namespace mimicfleet
