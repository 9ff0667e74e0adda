#include "worker/models/nn/accelerator.h"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include "worker/models/nn/guarded.h"

namespace mimicfleet::nn {
namespace {

// Null on a CPU, and before anything was allocated on the device.
c10::DeviceAllocator* allocator_of(at::Device device) {
  if (device.is_cpu()) return nullptr;
  auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  return allocator != nullptr && allocator->initialized() ? allocator : nullptr;
}

std::uint64_t bytes(std::int64_t count) { return count < 0 ? 0 : static_cast<std::uint64_t>(count); }

// Comes when the device has done what the calling thread has given it so far.
c10::Event event_after_now(at::Device device) {
  c10::Event event(device.type());
  event.record(c10::impl::getDeviceGuardImpl(device.type())->getStream(device));
  return event;
}

}  // namespace

void synchronize(at::Device device) {
  if (device.is_cpu()) return;
  const auto* streams = c10::impl::getDeviceGuardImpl(device.type());
  streams->synchronizeStream(streams->getStream(device));
}

void* current_stream(at::Device device) {
  const auto* streams = c10::impl::getDeviceGuardImpl(device.type());
  return streams->getStreamNativeHandle(streams->getStream(device));
}

SideStream::SideStream(at::Device device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::getDeviceGuardImpl(device.type())->getStreamFromGlobalPool(device);
}

Status SideStream::run(std::string_view what, const std::function<Status()>& work) const {
  if (!stream_) return guarded(what, work);
  const auto* streams = c10::impl::getDeviceGuardImpl(stream_->device_type());
  return guarded(what, [&]() -> Status {
    streams->setDevice(stream_->device());
    const c10::Stream before = streams->exchangeStream(*stream_);
    Status worked = guarded(what, work);
    // Also after a failure: what was given to the GPU before it uses tensors that are gone after this.
    Status waited = guarded(what, [&] { return streams->synchronizeStream(*stream_), Status(); });
    streams->exchangeStream(before);
    return worked.ok() ? std::move(waited) : std::move(worked);
  });
}

at::Tensor Outbox::fill(std::int64_t count, at::IntArrayRef item) {
  if (sent_) sent_->synchronize();
  auto shape = item.vec();
  shape.insert(shape.begin(), count);
  const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(!device_.is_cpu());
  const bool fits = memory_.defined() && memory_.size(0) >= count && memory_.sizes().slice(1) == item;
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

Arrival::Arrival(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  if (whole.is_cpu()) {
    tensor_ = whole;
    return;
  }
  tensor_ = at::empty(whole.sizes(), whole.options().device(at::kCPU).pinned_memory(true));
  tensor_.copy_(whole, /*non_blocking=*/true);
  arrived_ = event_after_now(whole.device());
}

const at::Tensor& Arrival::wait() const {
  if (arrived_) arrived_->synchronize();
  return tensor_;
}

std::optional<DeviceMemory> device_memory(at::Device device) {
  auto* allocator = allocator_of(device);
  if (allocator == nullptr) return std::nullopt;
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = allocator->getDeviceStats(device.index());
  return DeviceMemory{bytes(stats.allocated_bytes[kAll].peak), bytes(stats.reserved_bytes[kAll].current),
                      stats.num_ooms};
}

void reset_peak_memory(at::Device device) {
  if (auto* allocator = allocator_of(device)) allocator->resetPeakStats(device.index());
}

bool still_works(at::Device device) {
  if (device.is_cpu()) return true;
  try {
    return at::ones({1}, device).item<float>() == 1;
  } catch (const c10::OutOfMemoryError&) {
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

void release_unused_memory(at::Device device) {
  if (auto* allocator = allocator_of(device)) allocator->emptyCache();
}

}  // namespace mimicfleet::nn
