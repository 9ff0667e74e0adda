#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

// Tensors between the host and a GPU, without waiting for what else the GPU has to do. On a CPU they stay
// where they are.
namespace mimicfleet::nn {

// tensor.to(device, type), its bits included. Through pinned memory, which a GPU reads by itself, at twice
// the rate; LibTorch keeps what was freed of it for the next one.
[[nodiscard]] at::Tensor to_device(const at::Tensor& tensor, at::Device device, at::ScalarType type);

// A tensor on its way to the host, behind what the calling thread gave the GPU before.
class HostCopy {
 public:
  explicit HostCopy(const at::Tensor& tensor);

  // On the host, in the order that the tensor has in memory. Waits for it.
  [[nodiscard]] const at::Tensor& get();

 private:
  at::Tensor copy_;
  std::optional<c10::Event> copied_;  // of a GPU, until it is waited for
};

}  // namespace mimicfleet::nn
