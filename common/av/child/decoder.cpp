#include "common/av/child/decoder.h"

#include <algorithm>
#include <limits>

namespace mimicfleet::av::child {

Result<Decoder> Decoder::open(Demuxer& demuxer, const DecodeLimits& limits, bool with_alpha) {
  const AVCodec* const alpha_decoder = with_alpha ? demuxer.alpha_decoder() : nullptr;
  const AVCodec& chosen = alpha_decoder != nullptr ? *alpha_decoder : demuxer.decoder();
  Decoder decoder(demuxer, limits);
  decoder.packet_.reset(av_packet_alloc());
  decoder.frame_.reset(av_frame_alloc());
  decoder.codec_.reset(avcodec_alloc_context3(&chosen));
  if (!decoder.packet_ || !decoder.frame_ || !decoder.codec_)
    return decoder.failed(AVERROR(ENOMEM));
  AVCodecContext& codec = *decoder.codec_;
  int error = avcodec_parameters_to_context(&codec, demuxer.stream().codecpar);
  if (error < 0) return decoder.failed(error);
  codec.pkt_timebase = demuxer.stream().time_base;
  codec.thread_count = 1;
  codec.max_pixels = limits.max_pixels;
  error = avcodec_open2(&codec, &chosen, nullptr);
  if (error < 0) return decoder.failed(error);
  return decoder;
}

Result<const AVFrame*> Decoder::next() {
  for (;;) {
    const int error = avcodec_receive_frame(codec_.get(), frame_.get());
    if (error == AVERROR(EAGAIN)) {
      RETURN_IF_ERROR(send_packet());
      continue;
    }
    if (error == AVERROR_EOF) {
      if (decoded_ > 0) return nullptr;
      return Status(StatusCode::kBadInput,
                    "has no frame that can be decoded; convert or replace it");
    }
    const bool damaged = error < 0 || frame_->decode_error_flags != 0 ||
                         (frame_->flags & AV_FRAME_FLAG_CORRUPT) != 0;
    if (damaged && decoded_ == 0 && error != AVERROR(ENOMEM) && !draining_) continue;
    if (damaged) return failed(error);
    if (++decoded_ > limits_.max_frames) {
      return Status(StatusCode::kBadInput, "has more than " + std::to_string(limits_.max_frames) +
                                               " frames, the limit; cut it into shorter clips");
    }
    mark_fields();
    return frame_.get();
  }
}

// The frames of MJPEG do not say whether they are interlaced, as those of other codecs do: the
// container's word counts.
void Decoder::mark_fields() {
  const AVCodecParameters& stream = *demuxer_.stream().codecpar;
  const int order = as_number(stream.field_order);
  if (stream.codec_id != AV_CODEC_ID_MJPEG || order <= AV_FIELD_PROGRESSIVE) return;
  if (frame_->interlaced_frame != 0) return;
  frame_->interlaced_frame = 1;
  frame_->top_field_first = order == AV_FIELD_TT || order == AV_FIELD_TB ? 1 : 0;
}

Status Decoder::send_packet() {
  ASSIGN_OR_RETURN(const bool more, demuxer_.read(*packet_));
  const int error = avcodec_send_packet(codec_.get(), more ? packet_.get() : nullptr);
  draining_ = !more;
  if (error >= 0 || (decoded_ == 0 && error != AVERROR(ENOMEM) && more)) return {};
  return failed(error);
}

Status Decoder::failed(int error) const {
  if (error == AVERROR(ENOMEM)) {
    return {StatusCode::kResourceExhausted, "does not fit into the memory limit; scale it down"};
  }
  const std::string why = error < 0 ? libav_error(error) : "a part of the picture is missing";
  if (why.find("max pixel count") != std::string::npos) {
    return too_large(codec_->width, codec_->height, limits_.max_pixels);
  }
  return {StatusCode::kBadInput, "is damaged: frame " + std::to_string(decoded_) +
                                     " cannot be decoded (" + why +
                                     "); copy it again, or convert it with ffmpeg if it plays"};
}

}  // namespace mimicfleet::av::child
