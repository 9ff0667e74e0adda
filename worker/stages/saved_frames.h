#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <thread>

#include "common/files/atomic_file.h"
#include "common/media/image.h"
#include "common/mutex.h"
#include "worker/stages/output_files.h"

namespace mimicfleet::stages {

// The frames of one attempt on their way into DIR/_frames/NAME (--save-frames). A thread of its own
// makes PNGs of them in a folder that only this attempt uses; they get their places, and those of
// an earlier run leave, all at once in the end.
class SavedFrames {
 public:
  // Codes of ScratchFolder::create().
  [[nodiscard]] static Result<std::unique_ptr<SavedFrames>> begin(const OutputFiles& outputs);
  // Without finish() nothing is left of it.
  ~SavedFrames();

  // Takes the next frame; waits only while many are still to be written. After an error every
  // further call returns it.
  [[nodiscard]] Status add(media::Image frame);

  // Writes what is left and puts all in place, frame by frame, as long as `permit` allows it.
  [[nodiscard]] Status finish(const Permit& permit);

 private:
  SavedFrames(const OutputFiles& outputs, ScratchFolder folder);
  void write();
  void stop(bool drop_queue);
  [[nodiscard]] std::string path_of(std::size_t frame) const;  // until it is put in place

  const OutputFiles outputs_;
  const ScratchFolder folder_;

  Mutex mutex_;
  Condition changed_;
  std::deque<media::Image> queue_ GUARDED_BY(mutex_);
  std::size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  bool ended_ GUARDED_BY(mutex_) = false;  // no more frames will come
  std::size_t written_ GUARDED_BY(mutex_) = 0;
  Status error_ GUARDED_BY(mutex_);  // the first one
  std::thread thread_;
};

}  // namespace mimicfleet::stages
