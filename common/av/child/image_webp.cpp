#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "common/av/child/image_decoders.h"

namespace mimicfleet::av::child {
namespace {

struct FreeDecoder {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

}  // namespace

Result<Image> decode_webp(std::span<const std::uint8_t> file, std::int64_t max_pixels) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data(), file.size(), &features) != VP8_STATUS_OK)
    return damaged_image("its header");
  ASSIGN_OR_RETURN(Image image, empty_image(features.width, features.height, max_pixels));

  // Pillow reads still images through the decoder of animations, too.
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) return Status(StatusCode::kInternal, "libwebp is too old");
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
  if (info.canvas_width != static_cast<std::uint32_t>(image.width) ||
      info.canvas_height != static_cast<std::uint32_t>(image.height)) {
    return damaged_image("two sizes");
  }
  const std::size_t pixels = image.pixels.size() / 3;
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t channel = 0; channel < 3; ++channel)
      image.pixels[3 * i + channel] = rgba[4 * i + channel];
  }
  return image;
}

}  // namespace mimicfleet::av::child
