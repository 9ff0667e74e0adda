#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/av/video.h"
#include "common/files/stable_file.h"

namespace mimicfleet::stages {

// What the decoder tells with a frame, and why it matters from there on.
struct FrameWarning {
  std::int64_t frame = 0;  // of the sampled ones
  std::string text;

  friend bool operator==(const FrameWarning&, const FrameWarning&) = default;
};

// Decodes the sampled frames of a video ahead of their use, on a thread of its own, and holds at
// most `budget_bytes` of them: the decoding process waits while nobody takes any.
class FrameStream {
 public:
  // Codes as av::VideoFrames::open(). `stop` ends the decoding process early, also while it is
  // waited for here.
  [[nodiscard]] static Result<std::unique_ptr<FrameStream>> open(
      StableFile file, int sample_stride, std::size_t budget_bytes, av::Reading reading = {},
      std::shared_ptr<av::MediaStop> stop = std::make_shared<av::MediaStop>());
  // Ends the decoding process.
  ~FrameStream();

  [[nodiscard]] const av::VideoInfo& info() const { return frames_.info(); }
  // Every how many frames of the video one is delivered.
  [[nodiscard]] std::int64_t stride() const { return frames_.stride(); }

  // The next frames, `count` of them, fewer at the end, none after it. Waits; kCancelled once
  // `cancelled` says so. kInputChanged at the end if the file was written to meanwhile.
  [[nodiscard]] Result<std::vector<av::Image>> next(std::size_t count,
                                                    const std::function<bool()>& cancelled);
  // Of the frames that were taken.
  [[nodiscard]] const std::vector<FrameWarning>& warnings() const { return warnings_; }
  // For who takes no more: kInputChanged as above.
  [[nodiscard]] Status check_unchanged() const { return file_.check_unchanged(); }

 private:
  FrameStream(StableFile file, av::VideoFrames frames, std::size_t budget_bytes,
              std::shared_ptr<av::MediaStop> stop);
  void decode();
  [[nodiscard]] bool wait_for_room();  // false: the stream is no longer wanted

  StableFile file_;
  av::VideoFrames frames_;
  const std::size_t budget_bytes_;
  const std::shared_ptr<av::MediaStop> stop_;

  std::mutex mutex_;
  std::condition_variable changed_;
  struct Ready {
    av::Image image;
    std::vector<std::string> warnings;
  };
  bool stopping_ = false;
  bool over_ = false;  // `end_` says how
  Status end_;
  std::deque<Ready> ready_;
  std::size_t ready_bytes_ = 0;
  std::int64_t taken_ = 0;
  std::vector<FrameWarning> warnings_;  // of those
  std::thread thread_;
};

}  // namespace mimicfleet::stages
