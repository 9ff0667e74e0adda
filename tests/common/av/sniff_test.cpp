#include "common/av/sniff.h"

#include <string>

#include <gtest/gtest.h>

namespace mimicfleet::av {
namespace {

Sniffed sniff_text(const std::string& bytes) {
  return sniff({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

TEST(Sniff, KnowsTheContainers) {
  EXPECT_EQ(sniff_text(std::string("\0\0\0\x20", 4) + "ftypisom").format, "mov");
  EXPECT_EQ(sniff_text("\x1a\x45\xdf\xa3....").format, "matroska");
  EXPECT_EQ(sniff_text("RIFF....AVI LIST").format, "avi");
  EXPECT_EQ(sniff_text("RIFF....WEBPVP8 ").format, "webp");
  std::string packets(600, '\0');
  packets[0] = packets[188] = packets[376] = 'G';
  EXPECT_EQ(sniff_text(packets).format, "mpegts");
}

// Of so many bytes before the first packet.
std::string transport_stream(std::size_t before, std::size_t step) {
  std::string packets(kSniffBytes, '\0');
  for (std::size_t at = before; at < packets.size(); at += step) packets[at] = 'G';
  return packets;
}

TEST(Sniff, FindsATransportStreamThatBeginsWithinAPacket) {
  for (const std::size_t before : {1, 4, 89, 187, 500, 630}) {
    for (const std::size_t step : {188, 192}) {
      EXPECT_EQ(sniff_text(transport_stream(before, step)).format, "mpegts")
          << before << ", " << step;
    }
  }
  EXPECT_EQ(sniff_text(transport_stream(89, 188).substr(0, 89 + 2 * 188 + 1)).format, "mpegts");
}

TEST(Sniff, TakesNoAccidentForATransportStream) {
  EXPECT_EQ(sniff_text(transport_stream(89, 188).substr(0, 89 + 2 * 188)).kind, FileKind::kForeign);
  EXPECT_EQ(sniff_text(transport_stream(89, 187)).kind, FileKind::kForeign);
  std::string broken = transport_stream(89, 188);
  broken[89 + 3 * 188] = 'H';
  EXPECT_EQ(sniff_text(broken).kind, FileKind::kForeign);
  EXPECT_EQ(sniff_text(std::string(1000, 'G') + "ATTACA").format, "mpegts");  // as ever
  EXPECT_EQ(sniff_text("ACGTA" + std::string(1000, 'G')).description, "a text file");
}

TEST(Sniff, SaysWhatElseAFileIs) {
  for (const std::string& head :
       {std::string("\x06\x0e\x2b\x34"), std::string("\x1f\x07\0", 3), std::string("YUV4MPEG2 W2"),
        std::string("\0\0\x01\xba", 4), std::string("\0\0\0\x01\x67", 5)}) {
    EXPECT_EQ(sniff_text(head).kind, FileKind::kUnsupported);
  }
  EXPECT_EQ(sniff_text("#EXTM3U\n").description, "a playlist (M3U8)");
  EXPECT_EQ(sniff_text("hello").description, "a text file");
  EXPECT_EQ(sniff_text("\x01\x02\x03").description, "an unknown kind of file");
}

TEST(Sniff, ReadsNoFurtherThanTheFileGoes) {
  for (const char* bytes : {"", "G", "RIFF", "\xff", "P"}) {
    EXPECT_NE(sniff_text(bytes).kind, FileKind::kVideo) << bytes;
  }
}

}  // namespace
}  // namespace mimicfleet::av
