#pragma once

#include <cstdint>
#include <optional>

#include <c10/core/Device.h>

// What a GPU has that a CPU has not: work that goes on after a call returned, and memory of its own, of which
// LibTorch keeps what was freed. Reached through LibTorch's interfaces for any device, so that nothing links
// to its CUDA half. On a CPU all of these do nothing.
namespace mimicfleet::nn {

// Waits until the device has done what it was given, so that the clock tells how long it took.
void synchronize(at::Device device);

struct DeviceMemory {
  std::uint64_t peak_bytes = 0;  // the most that tensors had since the last reset_peak_memory()
  std::uint64_t held_bytes = 0;  // what LibTorch holds of the device now, in use or not
  std::int64_t failures = 0;     // how often there was too little of it, ever
};
// Nothing on a CPU, and before the device was used.
[[nodiscard]] std::optional<DeviceMemory> device_memory(at::Device device);
void reset_peak_memory(at::Device device);

// Whether the device still computes. After some errors (a failed assertion in a kernel, an illegal address, a
// lost GPU) it does nothing for this process any more, whatever it is asked.
[[nodiscard]] bool still_works(at::Device device);

// Gives back what LibTorch holds and no tensor uses.
void release_unused_memory(at::Device device);

}  // namespace mimicfleet::nn
