#include "worker/models/nn/transfer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace mimicfleet::nn {

at::Tensor to_device(const at::Tensor& tensor, at::Device device, at::ScalarType type) {
  if (device.is_cpu() || !tensor.is_cpu()) return tensor.to(device, type);
  // From memory that is not pinned a copy would wait until the GPU comes to it.
  const at::Tensor pinned =
      at::empty(tensor.sizes(), at::TensorOptions().dtype(type).pinned_memory(true)).copy_(tensor);
  return pinned.to(device, /*non_blocking=*/true);
}

HostCopy::HostCopy(const at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    copy_ = tensor;
    return;
  }
  copy_ = at::empty_like(tensor, tensor.options().device(at::kCPU).pinned_memory(true));
  copy_.copy_(tensor, /*non_blocking=*/true);
  const at::Device device = tensor.device();
  copied_.emplace(device.type());
  copied_->record(c10::impl::getDeviceGuardImpl(device.type())->getStream(device));
}

const at::Tensor& HostCopy::get() {
  if (copied_) copied_->synchronize();
  copied_.reset();
  return copy_;
}

}  // namespace mimicfleet::nn
