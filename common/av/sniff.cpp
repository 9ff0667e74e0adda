#include "common/av/sniff.h"

#include <algorithm>
#include <array>

namespace mimicfleet::av {
namespace {

constexpr std::size_t kTransportPacket = 188;
constexpr std::uint8_t kTransportSync = 0x47;
constexpr std::size_t kTransportSyncs = 3;  // that are no accident

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  Sniffed is;
};

using namespace std::string_view_literals;
constexpr auto kVideo = FileKind::kVideo;
constexpr auto kImage = FileKind::kImage;
constexpr auto kUnsupported = FileKind::kUnsupported;
constexpr auto kForeign = FileKind::kForeign;

// In order: the first that fits wins.
constexpr std::array kSignatures = {
    Signature{4, "ftypavif"sv, {kForeign, "", "an AVIF image"}},
    Signature{4, "ftypheic"sv, {kForeign, "", "a HEIC image"}},
    Signature{4, "ftypmif1"sv, {kForeign, "", "a HEIF image"}},
    Signature{4, "ftyp"sv, {kVideo, "mov", "an MP4"}},
    Signature{4, "moov"sv, {kVideo, "mov", "an MP4"}},
    Signature{4, "mdat"sv, {kVideo, "mov", "an MP4"}},
    Signature{4, "wide"sv, {kVideo, "mov", "a QuickTime movie"}},
    Signature{4, "skip"sv, {kVideo, "mov", "a QuickTime movie"}},
    Signature{4, "free"sv, {kVideo, "mov", "an MP4"}},
    Signature{0, "\x1a\x45\xdf\xa3"sv, {kVideo, "matroska", "a Matroska or WebM"}},
    Signature{8, "AVI "sv, {kVideo, "avi", "an AVI"}},
    Signature{8, "WEBP"sv, {kImage, "webp", "a WebP image"}},
    Signature{8, "WAVE"sv, {kForeign, "", "a WAV sound"}},
    Signature{0, "GIF8"sv, {kVideo, "gif", "a GIF"}},
    Signature{0, "\x89PNG\r\n\x1a\n"sv, {kImage, "png", "a PNG image"}},
    Signature{0, "\xff\xd8\xff"sv, {kImage, "jpeg", "a JPEG image"}},
    Signature{0, "BM"sv, {kForeign, "", "a BMP image"}},
    Signature{0, "II*\0"sv, {kForeign, "", "a TIFF image"}},
    Signature{0, "MM\0*"sv, {kForeign, "", "a TIFF image"}},
    Signature{0, "FLV"sv, {kUnsupported, "", "a Flash video"}},
    Signature{0, "\x30\x26\xb2\x75"sv, {kUnsupported, "", "a Windows Media file"}},
    Signature{0, "OggS"sv, {kUnsupported, "", "an Ogg file"}},
    Signature{0, "\0\0\x01\xba"sv, {kUnsupported, "", "an MPEG program stream"}},
    Signature{0, "\0\0\x01\xb3"sv, {kUnsupported, "", "a bare MPEG video"}},
    Signature{0, "\0\0\0\x01\x67"sv, {kUnsupported, "", "a bare H.264 video"}},
    Signature{0, "\0\0\0\x01\x09"sv, {kUnsupported, "", "a bare H.264 video"}},
    Signature{0, "\0\0\0\x01\x40\x01"sv, {kUnsupported, "", "a bare HEVC video"}},
    Signature{0, ".RMF"sv, {kUnsupported, "", "a RealMedia file"}},
    Signature{0, "\x06\x0e\x2b\x34"sv, {kUnsupported, "", "an MXF file"}},
    Signature{0, "\x1f\x07\0"sv, {kUnsupported, "", "a DV video"}},
    Signature{0, "YUV4MPEG2"sv, {kUnsupported, "", "an uncompressed video (Y4M)"}},
    Signature{0, "DKIF"sv, {kUnsupported, "", "an IVF file"}},
    Signature{0, "nut/multimedia container"sv, {kUnsupported, "", "a NUT file"}},
    Signature{0, "CWS"sv, {kForeign, "", "a Flash animation"}},
    Signature{0, "FWS"sv, {kForeign, "", "a Flash animation"}},
    Signature{0, "ID3"sv, {kForeign, "", "an MP3 sound"}},
    Signature{0, "fLaC"sv, {kForeign, "", "a FLAC sound"}},
    Signature{0, "#EXTM3U"sv, {kForeign, "", "a playlist (M3U8)"}},
    Signature{0, "ffconcat"sv, {kForeign, "", "a playlist (ffconcat)"}},
    Signature{0, "[playlist]"sv, {kForeign, "", "a playlist (PLS)"}},
    Signature{0, "%PDF"sv, {kForeign, "", "a PDF document"}},
    Signature{0, "PK\x03\x04"sv, {kForeign, "", "a ZIP archive"}},
    Signature{0, "\x1f\x8b"sv, {kForeign, "", "a gzip archive"}},
    Signature{0, "Rar!"sv, {kForeign, "", "a RAR archive"}},
    Signature{0, "7z\xbc\xaf"sv, {kForeign, "", "a 7z archive"}},
    Signature{0,
              "\x7f"
              "ELF"sv,
              {kForeign, "", "a program"}},
    Signature{0, "<?xml"sv, {kForeign, "", "an XML file"}},
};

// Sync bytes of a transport stream, `step` bytes apart from `first` on: three, and all that the
// head shows if `whole`.
bool has_syncs(std::span<const std::uint8_t> head, std::size_t first, std::size_t step,
               bool whole) {
  const std::size_t wanted =
      whole ? std::max(kTransportSyncs, (head.size() - first + step - 1) / step) : kTransportSyncs;
  if (head.size() <= first + (wanted - 1) * step) return false;
  for (std::size_t i = 0; i < wanted; ++i) {
    if (head[first + i * step] != kTransportSync) return false;
  }
  return true;
}

// MPEG transport streams: packets of one length, on Blu-ray discs with four bytes before each.
bool is_transport_stream(std::span<const std::uint8_t> head) {
  return has_syncs(head, 0, kTransportPacket, false) ||
         has_syncs(head, 4, kTransportPacket + 4, false);
}

// One that begins within a packet, or with something else.
bool becomes_transport_stream(std::span<const std::uint8_t> head) {
  for (std::size_t first = 0; first < head.size(); ++first) {
    for (const std::size_t step : {kTransportPacket, kTransportPacket + 4}) {
      if (has_syncs(head, first, step, true)) return true;
    }
  }
  return false;
}

bool is_text(std::span<const std::uint8_t> head) {
  return std::all_of(head.begin(), head.end(), [](std::uint8_t byte) {
    return byte >= 0x20 ? byte != 0x7f : byte == '\n' || byte == '\r' || byte == '\t';
  });
}

}  // namespace

Sniffed sniff(std::span<const std::uint8_t> head) {
  const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
  for (const Signature& signature : kSignatures) {
    if (bytes.size() >= signature.offset &&
        bytes.substr(signature.offset).starts_with(signature.bytes)) {
      return signature.is;
    }
  }
  constexpr Sniffed kTransportStream{FileKind::kVideo, "mpegts", "an MPEG transport stream"};
  if (is_transport_stream(head)) return kTransportStream;
  if (is_text(head)) return {FileKind::kForeign, "", "a text file"};
  if (becomes_transport_stream(head)) return kTransportStream;
  const bool zeros =
      std::all_of(head.begin(), head.end(), [](std::uint8_t byte) { return byte == 0; });
  return {FileKind::kForeign, "", zeros ? "filled with zeros" : "an unknown kind of file"};
}

}  // namespace mimicfleet::av
