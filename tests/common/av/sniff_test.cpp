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
  EXPECT_EQ(sniff_text(std::string(4, '\0') + packets).kind, FileKind::kForeign);
}

TEST(Sniff, SaysWhatElseAFileIs) {
  for (const std::string head :
       {std::string("\x06\x0e\x2b\x34"), std::string("\x1f\x07\0", 3), std::string("YUV4MPEG2 W2"),
        std::string("\0\0\x01\xba", 4), std::string("\0\0\0\x01\x67", 5)}) {
    EXPECT_EQ(sniff_text(head).kind, FileKind::kUnsupported);
  }
  EXPECT_EQ(sniff_text("#EXTM3U\n").description, "a playlist (M3U8)");
  EXPECT_EQ(sniff_text("hello").description, "a text file");
  EXPECT_EQ(sniff_text("\x01\x02\x03").description, "an unknown kind of file");
  EXPECT_EQ(sniff_text("version https://git-lfs.github.com/spec/v1").description, "a Git LFS pointer");
}

TEST(Sniff, ReadsNoFurtherThanTheFileGoes) {
  for (const char* bytes : {"", "G", "RIFF", "\xff", "P"}) {
    EXPECT_NE(sniff_text(bytes).kind, FileKind::kVideo) << bytes;
  }
}

}  // namespace
}  // namespace mimicfleet::av
