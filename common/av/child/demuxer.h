#pragma once

#include <optional>
#include <string>

#include "common/av/child/file_io.h"
#include "common/av/child/libav.h"
#include "common/av/child/orientation.h"
#include "common/av/video.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// The packets of the one video stream of a file that matters: FFmpeg's "best" one, never a cover
// picture. Only the demuxer that `format` names runs, no other file or address can be opened, and
// codecs outside the list are not tried.
class Demuxer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Demuxer>> open(int fd, std::int64_t size,
                                                             const std::string& format,
                                                             const DecodeLimits& limits);

  // The next packet of the stream; false at the end of the file.
  [[nodiscard]] Result<bool> read(AVPacket& packet);

  [[nodiscard]] const AVStream& stream() const { return *stream_; }
  [[nodiscard]] const AVCodec& decoder() const { return *decoder_; }

  // VP8 and VP9 keep alpha beside their frames, in a stream of its own that FFmpeg's decoders pass
  // over. The decoder that reads it, too; null if this FFmpeg has none, or there is no alpha.
  [[nodiscard]] bool has_alpha_beside() const;
  [[nodiscard]] const AVCodec* alpha_decoder() const;

  // The container's word on frame rate and length, without what presentation.h says of its frames.
  [[nodiscard]] VideoInfo info() const;
  [[nodiscard]] Orientation orientation() const;
  // Width by height of a pixel; 0/1 when unknown. `frame` may be null.
  [[nodiscard]] AVRational pixel_aspect(const AVFrame* frame) const;

 private:
  Demuxer(int fd, std::int64_t size) : io_(fd, size, false) {}
  [[nodiscard]] Status open_container(const std::string& format);
  [[nodiscard]] Status choose_stream();
  [[nodiscard]] Status check_index() const;
  [[nodiscard]] Status check_size(const DecodeLimits& limits) const;

  FileIo io_;
  InputPtr input_;
  AVStream* stream_ = nullptr;
  const AVCodec* decoder_ = nullptr;
  bool is_transport_stream_ = false;
  std::int64_t packets_ = 0;
};

// Status of a frame larger than the limit.
[[nodiscard]] Status too_large(std::int64_t width, std::int64_t height, std::int64_t max_pixels);

}  // namespace mimicfleet::av::child
