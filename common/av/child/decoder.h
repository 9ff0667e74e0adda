#pragma once

#include <cstdint>

#include "common/av/child/demuxer.h"
#include "common/av/child/libav.h"
#include "common/av/video.h"
#include "common/status.h"

namespace mimicfleet::av::child {

// The decoded frames of a video in the order of presentation, on one thread.
//
// A video is whole or bad: an error after the first sound frame ends it. Before that frame, packets
// that do not decode are skipped, because a recording of a broadcast may begin between two key
// frames.
class Decoder {
 public:
  // `with_alpha`: also what lies beside the frames of VP8 and VP9, if it can be read.
  [[nodiscard]] static Result<Decoder> open(Demuxer& demuxer, const DecodeLimits& limits,
                                            bool with_alpha);

  // The next frame, valid until the next call; null after the last.
  [[nodiscard]] Result<const AVFrame*> next();

  [[nodiscard]] std::int64_t decoded() const { return decoded_; }

 private:
  Decoder(Demuxer& demuxer, const DecodeLimits& limits) : demuxer_(demuxer), limits_(limits) {}
  [[nodiscard]] Status send_packet();
  void mark_fields();
  [[nodiscard]] Status failed(int error) const;

  Demuxer& demuxer_;
  DecodeLimits limits_;
  CodecPtr codec_;
  PacketPtr packet_;
  FramePtr frame_;
  std::int64_t decoded_ = 0;
  bool draining_ = false;
};

}  // namespace mimicfleet::av::child
