#include "common/media/child/demuxer.h"

#include <algorithm>
#include <array>
#include <cstring>

extern "C" {
#include <libavutil/avstring.h>
}

#include "common/media/child/container_extent.h"

namespace mimicfleet::media::child {
namespace {

// FFmpeg's defaults for probing: how much of a file may be read to find its streams, in bytes and
// in time.
constexpr std::int64_t kProbeBytes = 5'000'000;
constexpr int kMaxStreams = 64;

// Decoders, by FFmpeg's names. docs/media.md lists them.
constexpr const char* kDecoders = "h264,hevc,vp8,vp9,libdav1d,mpeg4,mpeg2video,mjpeg,prores,gif";

int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

// The demuxer by the name that sniff() gives.
const AVInputFormat* demuxer_of(const std::string& format) {
  for (const std::string_view allowed : {"mov", "matroska", "avi", "mpegts", "gif"}) {
    if (format == allowed) return av_find_input_format(format.c_str());
  }
  return nullptr;
}

Status truncated(std::uint64_t extent, std::int64_t size) {
  return {StatusCode::kBadInput, "is truncated: it should reach to byte " + std::to_string(extent) +
                                     ", but ends at byte " + std::to_string(size) +
                                     "; copy it again"};
}

}  // namespace

Status too_large(std::int64_t width, std::int64_t height, std::int64_t max_pixels) {
  return {StatusCode::kBadInput,
          "has frames of " + std::to_string(width) + "x" + std::to_string(height) +
              " pixels, more than the limit of " + std::to_string(max_pixels) +
              "; scale it down with: ffmpeg -i FILE -vf scale=1920:-2 out.mp4"};
}

Result<std::unique_ptr<Demuxer>> Demuxer::open(int fd, std::int64_t size, const std::string& format,
                                               const DecodeLimits& limits) {
  const auto extent = container_extent(fd, format);
  if (extent && *extent > static_cast<std::uint64_t>(size)) return truncated(*extent, size);
  auto demuxer = std::unique_ptr<Demuxer>(new Demuxer(fd, size));
  RETURN_IF_ERROR(demuxer->open_container(format));
  RETURN_IF_ERROR(demuxer->choose_stream());
  RETURN_IF_ERROR(demuxer->check_size(limits));
  RETURN_IF_ERROR(demuxer->check_index());
  return demuxer;
}

Status Demuxer::open_container(const std::string& format) {
  const AVInputFormat* demuxer = demuxer_of(format);
  if (demuxer == nullptr) return {StatusCode::kUnsupported, "is of an unsupported format"};
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr)
    return {StatusCode::kResourceExhausted, "does not fit into the memory limit"};
  context->pb = io_.context();
  context->flags |= AVFMT_FLAG_CUSTOM_IO;
  context->io_open = refuse_to_open;
  context->probesize = kProbeBytes;
  context->max_streams = kMaxStreams;
  context->codec_whitelist = av_strdup(kDecoders);
  context->format_whitelist = av_strdup(demuxer->name);
  context->protocol_whitelist = av_strdup("none");
  // Frees the context on failure.
  int error = avformat_open_input(&context, nullptr, demuxer, nullptr);
  input_.reset(context);
  is_transport_stream_ = format == "mpegts";
  if (error < 0) {
    const std::string why = libav_error(error);
    if (why.find("moov atom not found") != std::string::npos) {
      return {
          StatusCode::kBadInput,
          "is truncated: it is an MP4 without its index (moov); copy it again, or record it anew"};
    }
    return {StatusCode::kBadInput, "is damaged (" + why + "); copy it again"};
  }
  for (unsigned i = 0; i < context->nb_streams; ++i) {
    AVStream& stream = *context->streams[i];
    if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO) stream.discard = AVDISCARD_ALL;
  }
  error = avformat_find_stream_info(context, nullptr);
  if (error < 0)
    return {StatusCode::kBadInput, "is damaged (" + libav_error(error) + "); copy it again"};
  return {};
}

Status Demuxer::choose_stream() {
  const int best = av_find_best_stream(input_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (best < 0) {
    const bool sound =
        av_find_best_stream(input_.get(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0) >= 0;
    return {StatusCode::kBadInput,
            std::string("has no video stream") + (sound ? ", only sound" : "") + "; give a video"};
  }
  stream_ = input_->streams[best];
  if ((stream_->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) {
    return {StatusCode::kBadInput,
            "has no video stream, only sound with a cover picture; give a video"};
  }
  const AVCodecID codec = stream_->codecpar->codec_id;
  decoder_ = avcodec_find_decoder(codec);
  if (decoder_ == nullptr || av_match_list(decoder_->name, kDecoders, ',') == 0) {
    return {StatusCode::kUnsupported,
            std::string("uses the codec ") + avcodec_get_name(codec) +
                ", which is not supported; convert it with: ffmpeg -i FILE -c:v libx264 out.mp4"};
  }
  for (unsigned i = 0; i < input_->nb_streams; ++i) {
    if (static_cast<int>(i) != best) input_->streams[i]->discard = AVDISCARD_ALL;
  }
  return {};
}

Status Demuxer::check_size(const DecodeLimits& limits) const {
  const std::int64_t width = stream_->codecpar->width;
  const std::int64_t height = stream_->codecpar->height;
  if (width > 0 && height > limits.max_pixels / width)
    return too_large(width, height, limits.max_pixels);
  return {};
}

// An MP4 lists where each of its samples lies: a file cut short is noticed before anything is
// decoded.
Status Demuxer::check_index() const {
  std::int64_t end = 0;
  const bool positions_known = input_->iformat == av_find_input_format("mov");
  const int entries = positions_known ? avformat_index_get_entries_count(stream_) : 0;
  for (int i = 0; i < entries; ++i) {
    const AVIndexEntry* entry = avformat_index_get_entry(stream_, i);
    end = std::max(end, entry->pos + entry->size);
  }
  if (end <= io_.size()) return {};
  return truncated(static_cast<std::uint64_t>(end), io_.size());
}

Result<bool> Demuxer::read(AVPacket& packet) {
  for (;;) {
    av_packet_unref(&packet);
    const int error = av_read_frame(input_.get(), &packet);
    if (io_.error() != 0) {
      return Status(
          StatusCode::kUnavailable,
          std::string("cannot be read: ") + std::strerror(io_.error()) + "; look at its storage");
    }
    if (error == AVERROR_EOF) return false;
    if (error == AVERROR(EAGAIN)) continue;
    if (error < 0) {
      return Status(StatusCode::kBadInput, "is damaged or truncated after " +
                                               std::to_string(packets_) + " frames (" +
                                               libav_error(error) + "); copy it again");
    }
    if (packet.stream_index != stream_->index) continue;
    // Transport streams that were joined have this at the seams; there the decoder has to judge.
    if ((packet.flags & AV_PKT_FLAG_CORRUPT) != 0 && !is_transport_stream_) {
      return Status(StatusCode::kBadInput, "is truncated: it ends within frame " +
                                               std::to_string(packets_) + "; copy it again");
    }
    ++packets_;
    return true;
  }
}

Orientation Demuxer::orientation() const {
  std::size_t size = 0;
  const auto* matrix = reinterpret_cast<const std::int32_t*>(
      av_stream_get_side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, &size));
  if (matrix == nullptr || size < kMatrixNumbers * sizeof(std::int32_t)) return {};
  return orientation_of_matrix(matrix);
}

bool Demuxer::has_alpha_beside() const {
  const AVCodecID codec = stream_->codecpar->codec_id;
  if (codec != AV_CODEC_ID_VP8 && codec != AV_CODEC_ID_VP9) return false;
  const AVDictionaryEntry* mode = av_dict_get(stream_->metadata, "alpha_mode", nullptr, 0);
  return mode != nullptr && std::string_view(mode->value) == "1";
}

const AVCodec* Demuxer::alpha_decoder() const {
  if (!has_alpha_beside()) return nullptr;
  const bool is_vp8 = stream_->codecpar->codec_id == AV_CODEC_ID_VP8;
  return avcodec_find_decoder_by_name(is_vp8 ? "libvpx" : "libvpx-vp9");
}

AVRational Demuxer::pixel_aspect(const AVFrame* frame) const {
  AVFrame* const unchanged = const_cast<AVFrame*>(frame);  // FFmpeg only reads it
  return av_guess_sample_aspect_ratio(input_.get(), stream_, unchanged);
}

VideoInfo Demuxer::info() const {
  VideoInfo info;
  info.width = stream_->codecpar->width;
  info.height = stream_->codecpar->height;
  const AVRational fps = stream_->avg_frame_rate;
  if (fps.num > 0 && fps.den > 0) info.average_fps = {fps.num, fps.den};
  info.declared_frames = std::max<std::int64_t>(stream_->nb_frames, 0);
  if (input_->duration > 0)
    info.declared_seconds = static_cast<double>(input_->duration) / AV_TIME_BASE;
  const std::string names = input_->iformat->name;  // such as "mov,mp4,m4a"
  info.container = names.starts_with("mov,mp4") ? "mp4" : names.substr(0, names.find(','));
  info.codec = avcodec_get_name(stream_->codecpar->codec_id);
  return info;
}

}  // namespace mimicfleet::media::child
