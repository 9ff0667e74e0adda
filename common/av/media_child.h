#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/av/media_stop.h"
#include "common/av/record.h"
#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet::av {

// The descriptors that `media` is started with; it has no others.
inline constexpr int kChildFrames = 0;   // raw frames in, when it encodes
inline constexpr int kChildRecords = 1;  // records out
inline constexpr int kChildFile = 3;     // the video or image
inline constexpr int kChildLifeline =
    4;  // its other end closes when the parent dies, and then the child dies

// The task of a process that is told later what to do and on which file: by one message to
// kChildFrames, the length of the arguments (4 bytes, of this machine), the arguments, each ended
// by a zero, and the file.
inline constexpr std::string_view kWaitForOrder = "wait";
inline constexpr std::size_t kMaxOrderBytes = 4096;

// Keeps `count` processes of `media` ready for those who start one next (0: none, as it is at
// first): such a start takes 20 to 60 ms otherwise, for the libraries that FFmpeg brings. One that
// waits has seen no foreign byte yet, and ends with this process.
void keep_spare_media(std::size_t count);
[[nodiscard]] std::vector<pid_t> spare_media();

// A process of `media` and our ends of what it was given. Closing them ends it.
struct MediaProcess {
  pid_t pid = -1;     // -1 once reaped
  UniqueFd process;   // pidfd
  UniqueFd input;     // frames to the child
  UniqueFd output;    // records from the child
  UniqueFd lifeline;  // closed by the end of this object or process
};

// One run of the `media` program, which lies beside the running executable (or in ../bin, or where
// MIMICFLEET_MEDIA says). Its limits are set by itself before it looks at the file; those on
// waiting are enforced here. Destroying it ends the process.
class MediaChild {
 public:
  struct Start {
    std::string name;  // of the file, for messages
    int file = -1;     // borrowed; read from, or written to when encoding
    std::vector<std::string> arguments;
    int wait_seconds = 600;
    RecordOrder order;
    std::shared_ptr<MediaStop> stop = nullptr;  // may end it
  };
  [[nodiscard]] static Result<std::unique_ptr<MediaChild>> start(Start start);

  // One that is told about files by give(), one at a time.
  [[nodiscard]] static Result<std::unique_ptr<MediaChild>> start_for_many(
      const std::vector<std::string>& arguments);
  // The records that follow are about this file.
  [[nodiscard]] Status give(Start start);

  ~MediaChild();
  MediaChild(const MediaChild&) = delete;
  MediaChild& operator=(const MediaChild&) = delete;

  // The next record, checked; `payload` receives what follows it. A failure record, the death of
  // the child and the end of patience become a Status that begins with the file's name.
  [[nodiscard]] Result<RecordHeader> read(std::vector<std::uint8_t>& payload);

  // The same of the record that has to come first, and of that after it (or first, of an image).
  [[nodiscard]] Result<StreamInfo> read_info(const DecodeLimits& limits);
  [[nodiscard]] Result<ReadingNotes> read_notes();

  // Hands bytes to an encoding child. If it does not take them, the Status says why.
  [[nodiscard]] Status write(std::span<const std::uint8_t> bytes);
  void close_input() { process_.input.reset(); }

  // Kills the child, so that a call that waits for it in another thread returns.
  void stop() const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t pid() const { return process_.pid; }

 private:
  explicit MediaChild(Start& start);
  [[nodiscard]] Status read_exactly(std::span<std::uint8_t> bytes);
  [[nodiscard]] Status wait_until_ready(int fd, short events);
  [[nodiscard]] Status why_it_ended();
  [[nodiscard]] Status named(const Status& status) const;  // with the file's name before it

  std::string name_;
  RecordOrder order_;
  int wait_seconds_;
  std::chrono::nanoseconds patience_;  // what is left of them
  MediaProcess process_;
  std::shared_ptr<MediaStop> stop_;
};

}  // namespace mimicfleet::av
