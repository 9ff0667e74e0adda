#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libswscale/swscale.h>
}

// Owners of FFmpeg's objects, and its errors as text.
namespace mimicfleet::av::child {

template <auto free>
struct FreeByAddress {
  template <typename T>
  void operator()(T* object) const {
    free(&object);
  }
};

using FramePtr = std::unique_ptr<AVFrame, FreeByAddress<av_frame_free>>;
using PacketPtr = std::unique_ptr<AVPacket, FreeByAddress<av_packet_free>>;
using CodecPtr = std::unique_ptr<AVCodecContext, FreeByAddress<avcodec_free_context>>;
using InputPtr = std::unique_ptr<AVFormatContext, FreeByAddress<avformat_close_input>>;

struct FreeOutput {
  void operator()(AVFormatContext* context) const { avformat_free_context(context); }
};
using OutputPtr = std::unique_ptr<AVFormatContext, FreeOutput>;

struct FreeScaler {
  void operator()(SwsContext* context) const { sws_freeContext(context); }
};
using ScalerPtr = std::unique_ptr<SwsContext, FreeScaler>;

// FFmpeg passes on what stands in the file, also values that its enumerations do not have.
template <typename Enum>
[[nodiscard]] int as_number(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int));
  int number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

// What FFmpeg logged last as an error ("moov atom not found"), or else the error code in words.
[[nodiscard]] std::string libav_error(int error);

void forget_libav_error();  // before another file

// To be called first: log lines are kept for libav_error() instead of printed, and no single
// allocation may be larger (a tiny index can ask for gigabytes).
void prepare_libav(std::size_t max_allocation_bytes);

}  // namespace mimicfleet::av::child
