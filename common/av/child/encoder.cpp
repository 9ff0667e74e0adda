#include "common/av/child/encoder.h"

#include <array>
#include <cstring>

extern "C" {
#include <libavutil/opt.h>
}

#include "common/files/io.h"

namespace mimicfleet::av::child {
namespace {

// Constant, because x264's choices depend on it: more or fewer would be other bytes.
constexpr int kThreads = 12;
// Its search is made for speed, as a clip is waited for until its last frame is encoded: 0.6 of the
// processor time of "medium" at the same crf, files 1 % smaller to 11 % larger, 0.0005 further from
// the frames (SSIM).
constexpr const char* kPreset = "faster";
// Frames that are looked ahead at are still to be encoded when the last one comes: 10 instead of
// the preset's 20, and none on their way to a thread that looks (which is where 4 more would be; it
// changes no byte).
constexpr const char* kX264 = "cpu-independent=1:rc-lookahead=10:sync-lookahead=0";

constexpr int kBitExactScaling = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INP;
constexpr int kNeutral = 1 << 16;  // contrast and saturation

}  // namespace

Result<std::unique_ptr<Encoder>> Encoder::open(int fd, const VideoFormat& format) {
  auto encoder = std::unique_ptr<Encoder>(new Encoder(fd));
  encoder->packet_.reset(av_packet_alloc());
  if (!encoder->packet_) return encoder->failed("memory", AVERROR(ENOMEM));
  RETURN_IF_ERROR(encoder->open_codec(format));
  RETURN_IF_ERROR(encoder->open_converter());
  RETURN_IF_ERROR(encoder->open_container());
  return encoder;
}

Status Encoder::open_codec(const VideoFormat& format) {
  const AVCodec* x264 = avcodec_find_encoder_by_name("libx264");
  if (x264 == nullptr)
    return {StatusCode::kUnsupported, "this FFmpeg has no libx264; install Debian's"};
  codec_.reset(avcodec_alloc_context3(x264));
  if (!codec_) return failed("memory", AVERROR(ENOMEM));
  codec_->width = format.width;
  codec_->height = format.height;
  codec_->time_base = {format.fps.denominator, format.fps.numerator};
  codec_->framerate = {format.fps.numerator, format.fps.denominator};
  codec_->sample_aspect_ratio = {1, 1};
  codec_->pix_fmt = AV_PIX_FMT_YUV420P;
  // High itself has no lossless mode.
  codec_->profile = format.crf == 0 ? FF_PROFILE_H264_HIGH_444_PREDICTIVE : FF_PROFILE_H264_HIGH;
  codec_->color_range = AVCOL_RANGE_MPEG;
  codec_->colorspace = AVCOL_SPC_BT709;
  codec_->color_primaries = AVCOL_PRI_BT709;
  codec_->color_trc = AVCOL_TRC_BT709;
  codec_->chroma_sample_location = AVCHROMA_LOC_LEFT;
  codec_->thread_count = kThreads;
  codec_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
  av_opt_set(codec_->priv_data, "preset", kPreset, 0);
  av_opt_set_double(codec_->priv_data, "crf", format.crf, 0);
  av_opt_set(codec_->priv_data, "x264-params", kX264, 0);
  const int error = avcodec_open2(codec_.get(), x264, nullptr);
  return error < 0 ? failed("the encoder", error) : Status();
}

Status Encoder::open_converter() {
  scaler_.reset(sws_getContext(codec_->width, codec_->height, AV_PIX_FMT_RGB24, codec_->width,
                               codec_->height, AV_PIX_FMT_YUV420P, kBitExactScaling, nullptr,
                               nullptr, nullptr));
  if (!scaler_) return failed("the colour conversion", AVERROR(ENOMEM));
  const int* bt709 = sws_getCoefficients(SWS_CS_ITU709);
  sws_setColorspaceDetails(scaler_.get(), bt709, /*full range=*/1, bt709, /*limited range=*/0, 0,
                           kNeutral, kNeutral);
  return {};
}

Status Encoder::open_container() {
  AVFormatContext* output = nullptr;
  int error = avformat_alloc_output_context2(&output, nullptr, "mp4", nullptr);
  output_.reset(output);
  if (error < 0) return failed("the container", error);
  output->pb = io_.context();
  output->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
  output->opaque = this;
  output->io_open = open_for_shift;
  output->io_close2 = close_after_shift;
  stream_ = avformat_new_stream(output, nullptr);
  if (stream_ == nullptr) return failed("memory", AVERROR(ENOMEM));
  stream_->time_base = codec_->time_base;
  stream_->avg_frame_rate = codec_->framerate;
  error = avcodec_parameters_from_context(stream_->codecpar, codec_.get());
  if (error < 0) return failed("the container", error);
  av_opt_set(output->priv_data, "movflags", "faststart", 0);
  error = avformat_write_header(output, nullptr);
  return error < 0 ? failed("the container", error) : Status();
}

Result<FramePtr> Encoder::make_frame() const {
  FramePtr frame(av_frame_alloc());
  if (!frame) return failed("memory", AVERROR(ENOMEM));
  frame->format = codec_->pix_fmt;
  frame->width = codec_->width;
  frame->height = codec_->height;
  frame->color_range = codec_->color_range;
  frame->colorspace = codec_->colorspace;
  frame->color_primaries = codec_->color_primaries;
  frame->color_trc = codec_->color_trc;
  frame->chroma_location = codec_->chroma_sample_location;
  const int error = av_frame_get_buffer(frame.get(), 0);
  if (error < 0) return failed("memory", error);
  return frame;
}

void Encoder::convert(std::span<const std::uint8_t> rgb, AVFrame& frame) const {
  const std::array<const std::uint8_t*, 4> planes{rgb.data()};
  const std::array<int, 4> strides{3 * frame.width};
  sws_scale(scaler_.get(), planes.data(), strides.data(), 0, frame.height, frame.data,
            frame.linesize);
}

Status Encoder::write(AVFrame& frame) {
  frame.pts = written_++;
  const int error = avcodec_send_frame(codec_.get(), &frame);
  if (error < 0) return failed("a frame", error);
  return write_packets();
}

Status Encoder::finish() {
  int error = avcodec_send_frame(codec_.get(), nullptr);
  if (error < 0) return failed("the last frames", error);
  RETURN_IF_ERROR(write_packets());
  error = av_write_trailer(output_.get());
  avio_flush(io_.context());
  if (error >= 0) error = io_.context()->error;
  return error < 0 || io_.error() != 0 ? failed("the index", error) : Status();
}

Status Encoder::write_packets() {
  for (;;) {
    int error = avcodec_receive_packet(codec_.get(), packet_.get());
    if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return {};
    if (error < 0) return failed("a frame", error);
    packet_->stream_index = stream_->index;
    packet_->duration = 1;
    av_packet_rescale_ts(packet_.get(), codec_->time_base, stream_->time_base);
    error = av_interleaved_write_frame(output_.get(), packet_.get());
    if (error < 0 || io_.error() != 0) return failed("a frame", error);
  }
}

Status Encoder::failed(std::string_view step, int error) const {
  if (io_.error() != 0) {
    // The parent puts the file's name before it.
    const Status status = file_error("", "cannot be written", io_.error());
    return {status.code(), status.message().substr(2)};
  }
  if (error == AVERROR(ENOMEM))
    return {StatusCode::kResourceExhausted, "out of memory while encoding"};
  return {StatusCode::kInternal,
          "cannot be encoded: " + std::string(step) + ": " + libav_error(error)};
}

// With faststart the muxer reads back what it wrote, to move it behind the index.
int Encoder::open_for_shift(AVFormatContext* output, AVIOContext** io, const char*, int flags,
                            AVDictionary**) {
  auto& self = *static_cast<Encoder*>(output->opaque);
  if (flags != AVIO_FLAG_READ || self.reread_) return AVERROR(EPERM);
  self.reread_ = std::make_unique<FileIo>(self.fd_, self.io_.size(), false);
  *io = self.reread_->context();
  return 0;
}

int Encoder::close_after_shift(AVFormatContext* output, AVIOContext*) {
  static_cast<Encoder*>(output->opaque)->reread_.reset();
  return 0;
}

}  // namespace mimicfleet::av::child
