#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/files/stable_file.h"
#include "common/media/image.h"
#include "common/media/media_stop.h"
#include "common/media/reading.h"
#include "common/status.h"

// Foreign video is decoded by the program `media` in a process of its own that may only read the
// opened file and write to a pipe (docs/media.md). Nothing here links a decoder; every byte from
// that process is checked.
namespace mimicfleet::media {

struct Rational {
  int numerator = 0;
  int denominator = 1;

  // The simplest fraction within 1e-9 of `value`, so that 29.97002997… is 30000/1001 again; 0/1 for
  // what is no frame rate.
  [[nodiscard]] static Rational nearest(double value);
  [[nodiscard]] double value() const { return static_cast<double>(numerator) / denominator; }
  friend bool operator==(const Rational&, const Rational&) = default;
};

// What the container says; only width and height are held against the frames.
struct VideoInfo {
  int width = 0;  // as it is shown: upright, with square pixels
  int height = 0;
  int rotation = 0;                  // degrees clockwise that were applied: 0, 90, 180, 270
  Rational average_fps{};            // 0/1 when unknown
  std::int64_t declared_frames = 0;  // 0 when unknown; count_frames() decodes and counts
  double declared_seconds = 0;       // 0 when unknown
  std::string container;             // as FFmpeg names it: "mp4", "matroska"
  std::string codec;                 // "h264"
};

struct DecodeLimits {
  std::int64_t max_pixels = 4096 * 2304;              // of a frame
  std::int64_t max_frames = 200'000;                  // decoded ones
  std::int64_t memory_bytes = std::int64_t{3} << 30;  // address space of the decoding process
  int cpu_seconds = 600;
  // Total time that next() may wait; the caller's own time does not count.
  int wait_seconds = 600;
};

struct DecodeOptions {
  // Frames 0, s, 2s, … are delivered, s = sample_stride * max(1, int(average fps / 24)).
  int sample_stride = 1;
  bool stride_follows_fps = true;  // false: s = sample_stride
  Reading reading = Reading::original();
  DecodeLimits limits{};
  std::shared_ptr<MediaStop> stop = nullptr;  // may end the decoding process
};

struct Frame {
  std::int64_t index = 0;  // of the frame in the video, in the order of presentation
  Image image;             // upright
};

// The frames of a video, one at a time; at most a few are in memory.
//
// Errors of open() and next(), each naming the file, the cause and the remedy:
//   kNotFound            no such file
//   kFailedPrecondition  not readable by this user
//   kBadInput            not a file; empty; not a video (and what it looks like); no video stream;
//   truncated;
//                        damaged; no frames; frames or file larger than a limit
//   kUnsupported         a container or codec outside the list in docs/media.md
//   kTimeout             the processor or wait limit
//   kResourceExhausted   the memory limit
//   kInternal            the decoder crashed, or `media` is missing or misbehaves
// After an error the frames delivered so far are worthless: a damaged video is no shorter video.
class VideoFrames {
 public:
  [[nodiscard]] static Result<VideoFrames> open(const std::string& path,
                                                const DecodeOptions& options = {});
  [[nodiscard]] static Result<VideoFrames> open(const StableFile& file,
                                                const DecodeOptions& options = {});

  ~VideoFrames();  // ends the decoding process if it still runs
  VideoFrames(VideoFrames&&) noexcept;
  VideoFrames& operator=(VideoFrames&&) noexcept;

  [[nodiscard]] const VideoInfo& info() const;
  [[nodiscard]] const ReadingNotes& notes() const;
  [[nodiscard]] std::int64_t stride() const;

  // The next frame, or nothing after the last one. Only then is the whole video known to be sound.
  [[nodiscard]] Result<std::optional<Frame>> next();

  // What came up after the beginning and is left as it is, up to the frame that next() returned
  // last.
  [[nodiscard]] const std::vector<std::string>& late_warnings() const;

  // All frames that were decoded, delivered or not; known once next() returned nothing.
  [[nodiscard]] std::int64_t decoded_frames() const;

 private:
  struct Impl;
  explicit VideoFrames(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads the header and looks at the first frames.
[[nodiscard]] Result<VideoInfo> probe_video(const std::string& path,
                                            const DecodeLimits& limits = {});

// Decodes the whole video and counts its frames: the check of a written file.
[[nodiscard]] Result<std::int64_t> count_frames(const std::string& path,
                                                const DecodeLimits& limits = {});

}  // namespace mimicfleet::media
