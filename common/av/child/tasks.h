#pragma once

#include <cstdint>
#include <string>

#include "common/av/video.h"
#include "common/av/video_writer.h"
#include "common/status.h"

// What the media program does, each inside the sandbox. Results leave as records; a Status that is not ok
// becomes the failure record. Messages lack the file's name, which only the parent knows.
namespace mimicfleet::av::child {

struct DecodeTask {
  int fd = -1;
  std::int64_t file_bytes = 0;
  std::string format;  // as sniff() found it
  DecodeOptions options;
  bool header_only = false;
};
[[nodiscard]] Status decode_video(const DecodeTask& task);

struct ImageTask {
  int fd = -1;
  std::int64_t file_bytes = 0;
  std::string format;
  std::int64_t max_pixels = 0;
};
[[nodiscard]] Status decode_image(const ImageTask& task);

struct EncodeTask {
  int frames_fd = -1;  // raw RGB, frame after frame, until its end
  int file_fd = -1;    // empty, open for reading and writing
  VideoFormat format;
};
[[nodiscard]] Status encode_video(const EncodeTask& task);

// For the tests of the sandbox: tries what is forbidden, or misbehaves.
[[nodiscard]] Status self_test(const std::string& what);

}  // namespace mimicfleet::av::child
