// A foreign video or image, read as the media program reads it, without its sandbox: the faults in
// here are ours or those of the libraries. Small limits keep a round short.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/av/child/converter.h"
#include "common/av/child/decoder.h"
#include "common/av/child/deinterlacer.h"
#include "common/av/child/demuxer.h"
#include "common/av/child/image_decoders.h"
#include "common/av/child/libav.h"
#include "common/av/child/presentation.h"
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
  auto decoder = child::Decoder::open(**demuxer, kLimits, true);
  if (!decoder.ok()) return;
  const auto first = decoder->next();
  if (!first.ok() || *first == nullptr) return;
  const auto shown =
      child::presentation_of(**demuxer, *first, Reading::viewer(), kLimits.max_pixels);
  if (shown.width < 1 || shown.height < 1) return;
  if (std::int64_t{shown.width} * shown.height > kLimits.max_pixels) std::abort();
  auto frames = child::Deinterlacer::create(*decoder, **first, shown.progressive);
  auto converter = child::Converter::create(shown);
  if (!frames.ok() || !converter.ok()) return;
  for (;;) {
    const auto frame = frames->next();
    if (!frame.ok() || *frame == nullptr) return;
    const auto whole = frames->whole();
    if (!whole.ok() || !converter->convert(**whole).ok()) return;
  }
}

void read_image(std::span<const std::uint8_t> file, std::string_view format) {
  auto stored = format == "png"    ? child::decode_png(file, kLimits.max_pixels, true)
                : format == "jpeg" ? child::decode_jpeg(file, kLimits.max_pixels)
                                   : child::decode_webp(file, kLimits.max_pixels);
  if (stored.ok()) static_cast<void>(child::show(*std::move(stored), Reading::viewer()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  child::prepare_libav(64 << 20);
  const std::span file(data, size);
  const Sniffed kind = sniff(file.first(std::min(size, kSniffBytes)));
  if (kind.kind == FileKind::kVideo) read_video(file, kind.format);
  if (kind.kind == FileKind::kImage) read_image(file, kind.format);
  return 0;
}
