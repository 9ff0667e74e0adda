#include "coordinator/client/embedded/devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;

TEST(Devices, VisibleGpusAreWhatTheEnvironmentLeaves) {
  EXPECT_EQ(visible_gpus(nullptr, 4), 4U);
  EXPECT_EQ(visible_gpus("", 4), 0U);
  EXPECT_EQ(visible_gpus("-1", 4), 0U);
  EXPECT_EQ(visible_gpus("2", 4), 1U);
  EXPECT_EQ(visible_gpus("0,3", 4), 2U);
  EXPECT_EQ(visible_gpus("0,-1,3", 4), 1U);
  EXPECT_EQ(visible_gpus("GPU-12ab,GPU-34cd", 4), 2U);
  EXPECT_EQ(visible_gpus("0,1", 0), 0U);
}

TEST(Devices, OneWorkerForEachGpuElseOneForTheCpu) {
  EXPECT_THAT(*worker_devices("auto", 0, 2), ElementsAre("cuda:0", "cuda:1"));
  EXPECT_THAT(*worker_devices("auto", 3, 2), ElementsAre("cuda:0", "cuda:1", "cuda:0"));
  EXPECT_THAT(*worker_devices("auto", 0, 0), ElementsAre("cpu"));
  EXPECT_THAT(*worker_devices("cpu", 2, 4), ElementsAre("cpu", "cpu"));
  EXPECT_THAT(*worker_devices("cuda:1", 0, 4), ElementsAre("cuda:1"));
  EXPECT_THAT(*worker_devices("cuda", 2, 4), ElementsAre("cuda:0", "cuda:0"));
}

TEST(Devices, ADeviceThatIsNoneIsNamed) {
  for (const auto* device : {"gpu", "cuda:x"}) {
    EXPECT_EQ(worker_devices(device, 0, 0).status().message(),
              std::string("--device: '") + device + "' is not auto, cpu, cuda or cuda:N");
  }
}

}  // namespace
}  // namespace mimicfleet::coordinator
