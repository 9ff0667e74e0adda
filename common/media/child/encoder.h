#pragma once

#include <cstdint>
#include <span>

#include "common/media/child/file_io.h"
#include "common/media/child/libav.h"
#include "common/media/video_writer.h"
#include "common/status.h"

namespace mimicfleet::media::child {

// RGB frames into an H.264 MP4 on an open file.
class Encoder {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Encoder>> open(int fd, const VideoFormat& format);

  // Memory for one frame.
  [[nodiscard]] Result<FramePtr> make_frame() const;
  // Into the encoder's colours. On one thread, which may be another one than that of the rest.
  void convert(std::span<const std::uint8_t> rgb, AVFrame& frame) const;

  // The next frame, which may be used again afterwards.
  [[nodiscard]] Status write(AVFrame& frame);
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
  std::int64_t written_ = 0;
  PacketPtr packet_;

  static int open_for_shift(AVFormatContext* output, AVIOContext** io, const char*, int flags,
                            AVDictionary**);
  static int close_after_shift(AVFormatContext* output, AVIOContext* io);
};

}  // namespace mimicfleet::media::child
