#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include <webp/decode.h>
#include <webp/demux.h>

#include "common/av/child/color_profile.h"
#include "common/av/child/exif.h"
#include "common/av/child/image_decoders.h"

namespace mimicfleet::av::child {
namespace {

struct FreeDecoder {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

// What `read` makes of the first chunk of a kind; `otherwise` if there is none.
template <typename Read, typename Value>
Value read_chunk(const WebPData& file, const char* kind, Value otherwise, Read read) {
  const std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemux(&file));
  WebPChunkIterator chunk{};
  if (!demuxer || WebPDemuxGetChunk(demuxer.get(), kind, 1, &chunk) == 0) return otherwise;
  Value value = read(std::span(chunk.chunk.bytes, chunk.chunk.size));
  WebPDemuxReleaseChunkIterator(&chunk);
  return value;
}

// RGBA into colours and, unless all of it is opaque, alpha.
void split(const std::uint8_t* rgba, bool has_alpha, StoredImage& out) {
  const std::size_t pixels = out.image.pixels.size() / 3;
  for (std::size_t i = 0; i < pixels; ++i)
    std::copy_n(rgba + 4 * i, 3, out.image.pixels.data() + 3 * i);
  if (!has_alpha) return;
  out.alpha.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i) out.alpha[i] = rgba[4 * i + 3];
}

}  // namespace

Result<StoredImage> decode_webp(std::span<const std::uint8_t> file, std::int64_t max_pixels) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data(), file.size(), &features) != VP8_STATUS_OK)
    return damaged_image("its header");
  StoredImage out;
  ASSIGN_OR_RETURN(out.image, empty_image(features.width, features.height, max_pixels));

  // Pillow reads still images through the decoder of animations, too.
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0)
    return Status(StatusCode::kInternal, "libwebp is too old");
  options.color_mode = MODE_RGBA;
  const WebPData data{file.data(), file.size()};
  const std::unique_ptr<WebPAnimDecoder, FreeDecoder> decoder(WebPAnimDecoderNew(&data, &options));
  WebPAnimInfo info;
  std::uint8_t* rgba = nullptr;
  int time_ms = 0;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &rgba, &time_ms) == 0) {
    return damaged_image("its pixels");
  }
  if (info.canvas_width != static_cast<std::uint32_t>(out.image.width) ||
      info.canvas_height != static_cast<std::uint32_t>(out.image.height)) {
    return damaged_image("two sizes");
  }
  split(rgba, features.has_alpha != 0, out);
  out.exif_orientation =
      read_chunk(data, "EXIF", 1, [](auto bytes) { return exif_orientation(bytes).value_or(1); });
  out.profile = read_chunk(data, "ICCP", std::string(), other_than_srgb);
  return out;
}

}  // namespace mimicfleet::av::child
