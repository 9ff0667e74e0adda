#include "monitoring/background_read.h"

#include <thread>

#include "common/mutex.h"

namespace mimicfleet::monitoring {

struct BackgroundCalls::Shared {
  Mutex mutex;
  Condition changed;
  bool stop GUARDED_BY(mutex) = false;
  bool called GUARDED_BY(mutex) = false;

  // Whether another call is wanted after this time.
  bool pause(std::chrono::milliseconds time) {
    MutexLock lock(mutex);
    called = true;
    changed.notify_all();
    return !changed.wait_for(lock, time, [this] {
      mutex.assert_held();
      return stop;
    });
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
  const MutexLock lock(shared_->mutex);
  shared_->stop = true;
  shared_->changed.notify_all();
}

bool BackgroundCalls::wait_for_first(std::chrono::milliseconds longest) const {
  MutexLock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, longest, [shared = shared_.get()] {
    shared->mutex.assert_held();
    return shared->called;
  });
}

}  // namespace mimicfleet::monitoring
