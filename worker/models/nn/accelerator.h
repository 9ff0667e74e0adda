#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include "common/status.h"

// What a GPU has that a CPU has not: work that goes on after a call returned, and memory of its
// own, of which LibTorch keeps what was freed. Reached through LibTorch's interfaces for any
// device, so that nothing links to its CUDA half. On a CPU all of these do nothing.
namespace mimicfleet::nn {

// Waits until the device has done what the calling thread gave it, so that the clock tells how long
// it took.
void synchronize(at::Device device);

// The driver's handle of the stream that the calling thread's work goes to. Of a GPU.
[[nodiscard]] void* current_stream(at::Device device);

// A stream of a GPU beside the one that every thread's work goes to by default: the GPU does both
// at once. On a CPU threads run side by side as they are.
class SideStream {
 public:
  explicit SideStream(at::Device device);

  // Runs `work` on the calling thread as guarded() does, its work for the GPU on this stream, all
  // of which is done when this returns. Not for two threads at once. Tensors that it makes may be
  // used on other streams then; what these do with them must be done before they are given up.
  [[nodiscard]] Status run(std::string_view what, const std::function<Status()>& work) const;

 private:
  std::optional<c10::Stream> stream_;  // of a GPU
};

struct DeviceMemory {
  std::uint64_t peak_bytes = 0;  // the most that tensors had since the last reset_peak_memory()
  std::uint64_t held_bytes = 0;  // what LibTorch holds of the device now, in use or not
  std::int64_t failures = 0;     // how often there was too little of it, ever
};
// Nothing on a CPU, and before the device was used.
[[nodiscard]] std::optional<DeviceMemory> device_memory(at::Device device);
void reset_peak_memory(at::Device device);

// Whether the device still computes. After some errors (a failed assertion in a kernel, an illegal
// address, a lost GPU) it does nothing for this process any more, whatever it is asked.
[[nodiscard]] bool still_works(at::Device device);

// Gives back what LibTorch holds and no tensor uses.
void release_unused_memory(at::Device device);

}  // namespace mimicfleet::nn
