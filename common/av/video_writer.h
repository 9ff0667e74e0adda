#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/av/image.h"
#include "common/av/video.h"
#include "common/files/atomic_file.h"
#include "common/status.h"

namespace mimicfleet::av {

struct VideoFormat {
  int width = 0;   // even
  int height = 0;  // even
  Rational fps{15, 1};
  int crf = 18;  // x264's constant rate factor: 0 (lossless) … 51
};

// Writes an MP4: H.264 High, yuv420p, BT.709 limited range and tagged so, index first (faststart),
// no time of making. The same frames and format give the same bytes on every machine with the same
// FFmpeg and x264. Encoding runs in the `media` program, on threads of its own, beside the caller.
//
// The file appears under its name whole or not at all: it is a temporary one beside it until
// finish(), and is removed when the writer is destroyed before.
class VideoWriter {
 public:
  // kInvalidArgument: odd or absurd sizes, fps or crf. Otherwise as AtomicFile::create().
  // `stop` may end the encoding process: a call that waits for it fails then, as all later ones.
  [[nodiscard]] static Result<VideoWriter> create(const std::string& path,
                                                  const VideoFormat& format,
                                                  std::shared_ptr<MediaStop> stop = nullptr);

  ~VideoWriter();
  VideoWriter(VideoWriter&&) noexcept;
  VideoWriter& operator=(VideoWriter&&) noexcept;

  // Hands a frame of the format's size over; waits only when several are still to be encoded. After
  // an error (kResourceExhausted: disk full) every further call returns the same one.
  [[nodiscard]] Status write(Image frame);

  // Encodes what is left, syncs the file and gives it its name, if that is permitted.
  // kInvalidArgument without any frame.
  [[nodiscard]] Status finish(const Permit& permit = {});

 private:
  struct Impl;
  explicit VideoWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::av
