#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/files/stable_file.h"
#include "common/media/video.h"
#include "common/mutex.h"
#include "worker/formats/frame_warning.h"

namespace mimicfleet::stages {

// Decodes the sampled frames of a video ahead of their use, on a thread of its own, and holds at
// most `budget_bytes` of them: the decoding process waits while nobody takes any.
class FrameStream {
 public:
  // Codes as media::VideoFrames::open(). `stop` ends the decoding process early, also while it is
  // waited for here.
  [[nodiscard]] static Result<std::unique_ptr<FrameStream>> open(
      StableFile file, int sample_stride, std::size_t budget_bytes, media::Reading reading = {},
      std::shared_ptr<media::MediaStop> stop = std::make_shared<media::MediaStop>());
  // Ends the decoding process.
  ~FrameStream();

  [[nodiscard]] const media::VideoInfo& info() const { return frames_.info(); }
  // Every how many frames of the video one is delivered.
  [[nodiscard]] std::int64_t stride() const { return frames_.stride(); }

  // The next frames, `count` of them, fewer at the end, none after it. Waits; kCancelled once
  // `cancelled` says so. kInputChanged at the end if the file was written to meanwhile.
  [[nodiscard]] Result<std::vector<media::Image>> next(std::size_t count,
                                                       const std::function<bool()>& cancelled);
  // Of the frames that were taken.
  [[nodiscard]] const std::vector<formats::FrameWarning>& warnings() const { return warnings_; }
  // For who takes no more: kInputChanged as above.
  [[nodiscard]] Status check_unchanged() const { return file_.check_unchanged(); }

 private:
  FrameStream(StableFile file, media::VideoFrames frames, std::size_t budget_bytes,
              std::shared_ptr<media::MediaStop> stop);
  void decode();
  [[nodiscard]] bool wait_for_room();  // false: the stream is no longer wanted

  StableFile file_;
  media::VideoFrames frames_;
  const std::size_t budget_bytes_;
  const std::shared_ptr<media::MediaStop> stop_;

  Mutex mutex_;
  Condition changed_;
  struct Ready {
    media::Image image;
    std::vector<std::string> warnings;
  };
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool over_ GUARDED_BY(mutex_) = false;  // `end_` says how
  Status end_ GUARDED_BY(mutex_);
  std::deque<Ready> ready_ GUARDED_BY(mutex_);
  std::size_t ready_bytes_ GUARDED_BY(mutex_) = 0;
  // Of the thread that takes frames.
  std::int64_t taken_ = 0;
  std::vector<formats::FrameWarning> warnings_;  // of those
  std::thread thread_;
};

}  // namespace mimicfleet::stages
