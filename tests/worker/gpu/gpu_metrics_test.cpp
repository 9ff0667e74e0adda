#include "worker/gpu/gpu_metrics.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/gpu/nvml.h"

namespace mimicfleet::gpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(std::unique_ptr<Monitor> monitor) {
  monitoring::Metrics metrics;
  GpuMetrics gpu(metrics);
  if (monitor) gpu.watch(std::move(monitor));
  return metrics.text();
}

TEST(Nvml, TheGpuAtAnAddressIsReadWhateverItsNumber) {
  auto monitor = open_nvml("0000:1b:00.0", FAKE_NVML_LIBRARY);
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  EXPECT_THAT(text_of(std::move(*monitor)),
              AllOf(HasSubstr("\nmimicfleet_device_memory_used_bytes 600\n"),
                    HasSubstr("\nmimicfleet_device_memory_total_bytes 1000\n"),
                    HasSubstr("\nmimicfleet_device_utilisation_ratio 0.75\n"),
                    HasSubstr("\nmimicfleet_device_temperature_celsius 61\n"),
                    HasSubstr("\nmimicfleet_device_power_watts 350.5\n")));
}

TEST(Nvml, WhatAGpuDoesNotSayHasNoSeries) {
  auto monitor = open_nvml("0000:43:00.0", FAKE_NVML_LIBRARY);
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  EXPECT_THAT(text_of(std::move(*monitor)),
              AllOf(HasSubstr("\nmimicfleet_device_memory_used_bytes 600\n"),
                    Not(HasSubstr("\nmimicfleet_device_utilisation_ratio ")),
                    Not(HasSubstr("\nmimicfleet_device_power_watts "))));
}

TEST(Nvml, WhatIsMissingIsNamed) {
  const auto message = [](const char* address, const char* library) {
    const auto monitor = open_nvml(address, library);
    EXPECT_EQ(monitor.status().code(), StatusCode::kFailedPrecondition);
    return monitor.status().message();
  };
  EXPECT_THAT(message("0000:1b:00.0", "libno-such-library.so.1"),
              HasSubstr("libno-such-library.so.1"));
  EXPECT_THAT(message("0000:1b:00.0", "libc.so.6"), HasSubstr("libc.so.6 has no nvmlInit_v2"));
  EXPECT_THAT(message("0000:99:00.0", FAKE_NVML_LIBRARY), HasSubstr("0000:99:00.0: Not Found"));
  ::setenv("FAKE_NVML", "off", 1);
  EXPECT_THAT(message("0000:1b:00.0", FAKE_NVML_LIBRARY), HasSubstr("Driver Not Loaded"));
  ::unsetenv("FAKE_NVML");
}

TEST(GpuMetrics, WithoutAGpuThereIsNoSeries) {
  EXPECT_THAT(text_of(nullptr),
              AllOf(HasSubstr("# TYPE mimicfleet_device_utilisation_ratio gauge\n"),
                    Not(HasSubstr("\nmimicfleet_device_"))));
}

}  // namespace
}  // namespace mimicfleet::gpu
