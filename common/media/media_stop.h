#pragma once

#include <set>

#include "common/mutex.h"

namespace mimicfleet::media {

// For whoever may not want to wait for processes of `media` any more: ends those that were started
// with it, and those that will be. Thread-safe.
class MediaStop {
 public:
  // Who waits for one of them gets an error now.
  void stop();

 private:
  friend class MediaChild;
  void add(int process);  // a pidfd
  void remove(int process);

  Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::set<int> processes_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::media
