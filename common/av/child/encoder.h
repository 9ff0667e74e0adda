#pragma once

#include <cstdint>
#include <span>

#include "common/av/child/file_io.h"
#include "common/av/child/libav.h"
#include "common/av/video_writer.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// RGB frames into an H.264 MP4 on an open file.
class Encoder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Encoder>> open(int fd, const VideoFormat& format);

  [[nodiscard]] Status write(std::span<const std::uint8_t> rgb);
  [[nodiscard]] Status finish();  // the last frames and the index

 private:
  explicit Encoder(int fd) : fd_(fd), io_(fd, 0, true) {}
  [[nodiscard]] Status open_codec(const VideoFormat& format);
  [[nodiscard]] Status open_container();
  [[nodiscard]] Status open_converter();
  [[nodiscard]] Status write_packets();
  [[nodiscard]] Status failed(std::string_view step, int error) const;

  int fd_;
  FileIo io_;
  std::unique_ptr<FileIo> reread_;  // while the muxer moves the index to the front
  CodecPtr codec_;
  OutputPtr output_;
  AVStream* stream_ = nullptr;
  ScalerPtr scaler_;
  FramePtr frame_;
  PacketPtr packet_;

  static int open_for_shift(AVFormatContext* output, AVIOContext** io, const char*, int flags,
                            AVDictionary**);
  static int close_after_shift(AVFormatContext* output, AVIOContext* io);
};

}  // namespace mimicfleet::av::child
