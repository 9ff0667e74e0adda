#pragma once

#include <optional>

namespace mimicfleet::gpu {

// What a GPU says of itself; what it does not say is empty.
struct Reading {
  std::optional<double> memory_used_bytes;  // by all programs
  std::optional<double> memory_total_bytes;
  std::optional<double> utilisation;  // 0 to 1: the share of the last moment in which a kernel ran
  std::optional<double> temperature_celsius;
  std::optional<double> power_watts;
};

// One GPU.
class Monitor {
 public:
  virtual ~Monitor() = default;
  [[nodiscard]] virtual Reading read() = 0;
};

}  // namespace mimicfleet::gpu
