// A foreign video or image, read as the media program reads it, without its sandbox: the faults in here are
// ours or those of the libraries. Small limits keep a round short.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <span>

#include "common/av/child/converter.h"
#include "common/av/child/decoder.h"
#include "common/av/child/demuxer.h"
#include "common/av/child/image_decoders.h"
#include "common/av/child/libav.h"
#include "common/av/sniff.h"
#include "common/files/unique_fd.h"

namespace {

using namespace mimicfleet;
using namespace mimicfleet::av;

constexpr DecodeLimits kLimits{.max_pixels = 1 << 16, .max_frames = 8};

void read_video(std::span<const std::uint8_t> file, std::string_view format) {
  const UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(fd.get(), file.data(), file.size()) != static_cast<ssize_t>(file.size())) return;
  const auto size = static_cast<std::int64_t>(file.size());
  const auto demuxer = child::Demuxer::open(fd.get(), size, std::string(format), kLimits);
  if (!demuxer.ok()) return;
  const VideoInfo info = (*demuxer)->info();
  if (info.width < 1 || info.height < 1) return;
  auto decoder = child::Decoder::open(**demuxer, kLimits);
  auto converter = child::Converter::create(info);
  if (!decoder.ok() || !converter.ok()) return;
  for (;;) {
    const auto frame = decoder->next();
    if (!frame.ok() || *frame == nullptr) return;
    if (!converter->convert(**frame).ok()) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  child::prepare_libav(64 << 20);
  const std::span file(data, size);
  const Sniffed kind = sniff(file.first(std::min(size, kSniffBytes)));
  if (kind.kind == FileKind::kVideo) read_video(file, kind.format);
  if (kind.format == "png") static_cast<void>(child::decode_png(file, kLimits.max_pixels));
  if (kind.format == "jpeg") static_cast<void>(child::decode_jpeg(file, kLimits.max_pixels));
  if (kind.format == "webp") static_cast<void>(child::decode_webp(file, kLimits.max_pixels));
  return 0;
}
