#include "worker/models/nn/accelerator.h"

#include <utility>

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

std::uint64_t bytes(std::int64_t count) {
  return count < 0 ? 0 : static_cast<std::uint64_t>(count);
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
    // Also after a failure: what was given to the GPU before it uses tensors that are gone after
    // this.
    Status waited = guarded(what, [&] { return streams->synchronizeStream(*stream_), Status(); });
    streams->exchangeStream(before);
    return worked.ok() ? std::move(waited) : std::move(worked);
  });
}

std::optional<DeviceMemory> device_memory(at::Device device) {
  auto* allocator = allocator_of(device);
  if (allocator == nullptr) return std::nullopt;
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = allocator->getDeviceStats(device.index());
  return DeviceMemory{bytes(stats.allocated_bytes[kAll].peak),
                      bytes(stats.reserved_bytes[kAll].current), stats.num_ooms};
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
