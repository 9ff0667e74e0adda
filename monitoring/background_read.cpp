#include "monitoring/background_read.h"

#include <thread>

namespace mimicfleet::monitoring {

struct BackgroundCalls::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool stop = false;
  bool called = false;

  // Whether another call is wanted after this time.
  bool pause(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    called = true;
    changed.notify_all();
    return !changed.wait_for(lock, time, [&] { return stop; });
  }
};

BackgroundCalls::BackgroundCalls(std::function<void()> call, std::chrono::milliseconds every)
    : shared_(std::make_shared<Shared>()) {
  // Detached: nobody can end a call that hangs in the kernel, and nobody should wait for it.
  std::thread([shared = shared_, call = std::move(call), every] {
    do call();
    while (shared->pause(every));
  }).detach();
}

BackgroundCalls::~BackgroundCalls() {
  const std::lock_guard lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
}

bool BackgroundCalls::wait_for_first(std::chrono::milliseconds longest) const {
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, longest, [&] { return shared_->called; });
}

}  // namespace mimicfleet::monitoring
