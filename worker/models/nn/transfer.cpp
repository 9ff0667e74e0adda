#include "worker/models/nn/transfer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace mimicfleet::nn {
namespace {

// Comes when the device has done what the calling thread has given it so far.
c10::Event event_after_now(at::Device device) {
  c10::Event event(device.type());
  event.record(c10::impl::getDeviceGuardImpl(device.type())->getStream(device));
  return event;
}

}  // namespace

at::Tensor to_device(const at::Tensor& tensor, at::Device device, at::ScalarType type) {
  if (device.is_cpu() || !tensor.is_cpu()) return tensor.to(device, type);
  // From memory that is not pinned a copy would wait until the GPU comes to it.
  const at::Tensor pinned =
      at::empty(tensor.sizes(), at::TensorOptions().dtype(type).pinned_memory(true)).copy_(tensor);
  return pinned.to(device, /*non_blocking=*/true);
}

at::Tensor Outbox::fill(std::int64_t count, at::IntArrayRef item) {
  if (sent_) sent_->synchronize();
  auto shape = item.vec();
  shape.insert(shape.begin(), count);
  const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(!device_.is_cpu());
  const bool fits =
      memory_.defined() && memory_.size(0) >= count && memory_.sizes().slice(1) == item;
  if (!fits) memory_ = at::empty(shape, options);
  filled_ = memory_.narrow(0, 0, count);
  return filled_;
}

at::Tensor Outbox::send() {
  if (device_.is_cpu()) return filled_;
  at::Tensor there = filled_.to(device_, at::kByte, /*non_blocking=*/true);
  sent_ = event_after_now(device_);
  return there;
}

HostCopy::HostCopy(const at::Tensor& tensor) {
  if (tensor.is_cpu()) {
    copy_ = tensor;
    return;
  }
  copy_ = at::empty_like(tensor, tensor.options().device(at::kCPU).pinned_memory(true));
  copy_.copy_(tensor, /*non_blocking=*/true);
  copied_ = event_after_now(tensor.device());
}

const at::Tensor& HostCopy::get() const {
  if (copied_) copied_->synchronize();
  return copy_;
}

}  // namespace mimicfleet::nn
