#include "worker/gpu/gpu_metrics.h"

#include <utility>

namespace mimicfleet::gpu {
namespace {

struct Family {
  const char* name;
  const char* help;
  std::optional<double> Reading::*value;
};

constexpr Family kFamilies[] = {
    {"mimicfleet_device_memory_used_bytes", "Memory of the GPU that all programs together use",
     &Reading::memory_used_bytes},
    {"mimicfleet_device_memory_total_bytes", "Memory that the GPU has",
     &Reading::memory_total_bytes},
    {"mimicfleet_device_utilisation_ratio",
     "Share of the last moment in which the GPU computed anything, from 0 to 1",
     &Reading::utilisation},
    {"mimicfleet_device_temperature_celsius", "Temperature of the GPU",
     &Reading::temperature_celsius},
    {"mimicfleet_device_power_watts", "Power that the GPU draws", &Reading::power_watts},
};

}  // namespace

GpuMetrics::GpuMetrics(monitoring::Metrics& metrics) {
  metrics.before_scrape([this] {
    const MutexLock lock(mutex_);
    if (monitor_) reading_ = monitor_->read();
  });
  for (const auto& family : kFamilies) {
    metrics.gauges(family.name, family.help, [this, value = family.value] {
      const MutexLock lock(mutex_);
      std::vector<monitoring::Sample> series;
      if (reading_.*value) series.push_back({{}, *(reading_.*value)});
      return series;
    });
  }
}

void GpuMetrics::watch(std::unique_ptr<Monitor> monitor) {
  const MutexLock lock(mutex_);
  monitor_ = std::move(monitor);
}

}  // namespace mimicfleet::gpu
