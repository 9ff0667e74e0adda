#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

// Tensors between the host and a GPU, without waiting for what else the GPU has to do. On a CPU
// they stay where they are.
namespace mimicfleet::nn {

// tensor.to(device, type), its bits included. Through pinned memory, which a GPU reads by itself,
// at twice the rate; LibTorch keeps what was freed of it for the next one.
[[nodiscard]] at::Tensor to_device(const at::Tensor& tensor, at::Device device,
                                   at::ScalarType type);

// Memory of the host that is filled and copied to a device, again and again. Of a GPU it is pinned:
// the copy goes on beside the host, and the next filling waits for its end.
class Outbox {
 public:
  explicit Outbox(at::Device device) : device_(device) {}

  // [count, ...] bytes to be filled; `item` is the shape of one.
  [[nodiscard]] at::Tensor fill(std::int64_t count, at::IntArrayRef item);
  // What was filled last, on the device, for the calling thread's work there. Of a CPU it is that
  // memory itself, until the next filling.
  [[nodiscard]] at::Tensor send();

 private:
  at::Device device_;
  at::Tensor memory_;
  at::Tensor filled_;
  std::optional<c10::Event> sent_;  // of a GPU
};

// A tensor on its way to the host, behind what the calling thread gave the GPU before.
class HostCopy {
 public:
  explicit HostCopy(const at::Tensor& tensor);

  // On the host, in the order that the tensor has in memory. Waits for it.
  [[nodiscard]] const at::Tensor& get() const;

 private:
  at::Tensor copy_;
  std::optional<c10::Event> copied_;  // from a GPU
};

}  // namespace mimicfleet::nn
