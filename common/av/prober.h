#pragma once

#include <memory>
#include <string>

#include "common/av/reading.h"
#include "common/av/source.h"
#include "common/av/video.h"
#include "common/status.h"

namespace mimicfleet::av {

class MediaChild;

// What a file says of itself, and what a viewer shows of it otherwise than the original reads.
struct Looked {
  VideoInfo
      video;  // as a viewer shows it; of an image its size, and its format as container and codec
  ReadingNotes notes;
};

struct ProberLimits {
  std::int64_t max_frame_pixels = DecodeLimits().max_pixels;
  std::int64_t max_image_pixels = ImageLimits().max_pixels;
  std::int64_t max_image_bytes = ImageLimits().max_file_bytes;
  std::int64_t memory_bytes = std::int64_t{3} << 30;  // address space of the process
  int cpu_seconds = 600;                              // of all files that one process looks at
  int wait_seconds = 60;                              // for one file
};

// Looks at many files one after the other, in one sandboxed process: starting one a file takes 60
// ms. The process is replaced after a file that it could not read, for what that may have done to
// it, and now and then anyway. For one thread at a time.
class Prober {
 public:
  explicit Prober(ProberLimits limits = {});
  ~Prober();
  Prober(Prober&&) noexcept;
  Prober& operator=(Prober&&) noexcept;

  // Of a video the header and its first frames. Codes as VideoFrames::open(); that all of it
  // decodes is not said by this.
  [[nodiscard]] Result<Looked> video(const std::string& path);
  // An image is read to its end. Codes as read_image().
  [[nodiscard]] Result<Looked> image(const std::string& path);

 private:
  [[nodiscard]] Result<Looked> look(const std::string& path, Wanted wanted);
  [[nodiscard]] Result<Looked> ask(int fd, const std::string& path, Wanted wanted);

  ProberLimits limits_;
  std::unique_ptr<MediaChild> child_;
  int looks_left_ = 0;
};

}  // namespace mimicfleet::av
