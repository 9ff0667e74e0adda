#pragma once

#include <cstdint>
#include <string>

#include "common/mutex.h"
#include "common/status.h"

namespace mimicfleet::device {

// How a part of a task on a GPU ended.
struct PartEnd {
  Status status;
  std::string device;          // "cuda:0"
  bool device_works = true;    // it still computes
  std::int64_t shortages = 0;  // how often its memory fell short meanwhile, told by `status` or not
};

// What is to be done then.
struct Verdict {
  Status status;  // of the part
  bool frees_what_is_kept = false;
  std::string warning;  // for the reader of the results; mostly empty
};

// Of a device that no longer computes, as `failure` tells.
[[nodiscard]] Status device_is_dead(const std::string& device, const Status& failure);
// A warning for the reader of results that were computed although memory ran short.
[[nodiscard]] std::string shortage_warning(const std::string& device);

// Ends that concern more than the task. Too little memory: what is kept for later tasks is freed,
// so that the next attempt starts with all of it; if that was of no use either, the one after it
// gets a new process. Where LibTorch went on in spite of it, a warning tells of it: cuDNN's
// frontend takes the next kernel then, now and whenever this process does the same again, and its
// bytes may be others than those of the numerics class. A device that no longer computes does so
// only for a new process.
class DeviceFailures {
 public:
  // May set end_of_process(). On one thread, as task_is_done().
  [[nodiscard]] Verdict judge(const PartEnd& end);
  // All parts of a task went well: memory suffices again.
  void task_is_done() { short_in_a_row_ = 0; }
  // Why this process can do no other task; ok as long as it can. On any thread.
  [[nodiscard]] Status end_of_process() const;

 private:
  void end_process(const Status& why);

  int short_in_a_row_ = 0;  // tasks that the memory did not suffice for
  mutable Mutex mutex_;
  Status end_of_process_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::device
