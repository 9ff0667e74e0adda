#pragma once

#include <cstdint>
#include <string>

#include "common/av/video.h"
#include "common/av/video_writer.h"
#include "common/status.h"

// What the media program does, each inside the sandbox. Results leave as records; a Status that is
// not ok becomes the failure record. Messages lack the file's name, which only the parent knows.
namespace mimicfleet::av::child {

struct DecodeTask {
  int fd = -1;
  std::int64_t file_bytes = 0;
  std::string format;  // as sniff() found it
  DecodeOptions options;
};
[[nodiscard]] Status decode_video(const DecodeTask& task);
[[nodiscard]] Status look_at_video(const DecodeTask& task);  // info and notes only

struct ImageTask {
  int fd = -1;
  std::int64_t file_bytes = 0;
  std::string format;
  std::int64_t max_pixels = 0;
  Reading reading = Reading::original();
  bool look_only = false;  // info and notes in place of the pixels
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
