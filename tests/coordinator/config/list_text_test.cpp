#include "common/config/list_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/config/manifest.h"
#include "coordinator/config/sentences.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using namespace std::string_view_literals;

// "é" and a letter beyond 16 bits, so that every branch of the encoding is taken.
constexpr std::u16string_view kTable = u"video;output\r\ncaf\u00e9.mp4;\U0001d11e\u20ac\r\n";
constexpr std::string_view kTableUtf8 = "video;output\r\ncaf\u00e9.mp4;\U0001d11e\u20ac\r\n";

std::string utf16(std::u16string_view text, bool big, bool mark) {
  std::string bytes;
  const auto add = [&](char16_t unit) {
    const std::array<char, 2> both = {static_cast<char>(unit & 0xff), static_cast<char>(unit >> 8)};
    bytes += {both[big ? 1 : 0], both[big ? 0 : 1]};
  };
  if (mark) add(0xfeff);
  for (const char16_t unit : text) add(unit);
  return bytes;
}

std::vector<std::string> videos_of(std::string_view bytes, ManifestFormat format) {
  const auto list = parse_manifest(bytes, "list", format);
  if (!list.ok()) return {list.status().message()};
  std::vector<std::string> videos;
  for (const auto& entry : *list) videos.push_back(entry.video);
  return videos;
}

TEST(ListText, Utf16OfEitherOrderIsReadWithAndWithoutItsMark) {
  for (const bool big : {false, true}) {
    for (const bool mark : {false, true}) {
      const auto text = config::list_text(utf16(kTable, big, mark), "list");
      ASSERT_TRUE(text.ok()) << text.status();
      EXPECT_EQ(*text, kTableUtf8);
    }
  }
}

TEST(ListText, DamagedUtf16AndWhatIsNoTextAreNamed) {
  const auto error = [](const std::string& bytes) {
    return config::list_text(bytes, "list").status().message();
  };
  EXPECT_EQ(error("\xff\xfe" + std::string("a\0b", 3)),
            "list: is cut or damaged UTF-16; save it as UTF-8");
  EXPECT_EQ(error(utf16(u"a\xd834", false, true)),
            "list: is cut or damaged UTF-16; save it as UTF-8");
  EXPECT_EQ(error(utf16(u"a\xd834 b", false, true)),
            "list: is cut or damaged UTF-16; save it as UTF-8");
  EXPECT_EQ(error(utf16(u"\xdc00", true, true)),
            "list: is cut or damaged UTF-16; save it as UTF-8");
  EXPECT_EQ(error(std::string("\xff\xfe\0\0a\0\0\0"sv)), "list: is UTF-32; save it as UTF-8");
  EXPECT_EQ(error(std::string("ab\0c"sv)), "list: is no text: it has zero bytes; save it as UTF-8");
}

TEST(ListText, WhatIsSomethingElseIsNamedWithTheRemedy) {
  const auto error = [](const std::string& bytes) {
    return config::list_text(bytes, "list.csv").status().message();
  };
  EXPECT_THAT(error(std::string("PK\x03\x04\x14\0", 6)),
              HasSubstr("list.csv: is an Excel or OpenDocument workbook"));
  EXPECT_THAT(error("\xd0\xcf\x11\xe0..."),
              HasSubstr("is an Excel workbook; save the table as \"CSV UTF-8\""));
  EXPECT_THAT(error("\n<!DOCTYPE HTML><html>"), HasSubstr("is a web page, not the file itself"));
  EXPECT_THAT(error("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
}

TEST(ListText, LinesOfOldMacsEndWithACarriageReturn) {
  EXPECT_THAT(videos_of("video\ra.mp4\rb.mp4", ManifestFormat::kCsv),
              ElementsAre("a.mp4", "b.mp4"));
}

TEST(ListText, EveryFormatMayBeUtf16) {
  EXPECT_THAT(videos_of(utf16(u"a.mp4\n\u00e9.mp4\n", false, true), ManifestFormat::kLines),
              ElementsAre("a.mp4", "\u00e9.mp4"));
  EXPECT_THAT(videos_of(utf16(u"video\n\u00e9.mp4\n", true, true), ManifestFormat::kCsv),
              ElementsAre("\u00e9.mp4"));
  EXPECT_THAT(videos_of(utf16(u"[\"\u00e9.mp4\"]", false, true), ManifestFormat::kJson),
              ElementsAre("\u00e9.mp4"));
  EXPECT_THAT(videos_of(utf16(u"\"\u00e9.mp4\"\n", false, true), ManifestFormat::kJsonLines),
              ElementsAre("\u00e9.mp4"));
  const auto sentences =
      parse_sentences(utf16(u"sentence_id\tref_ids\ns1\t\u00e9 b\n", false, true), "s");
  ASSERT_TRUE(sentences.ok()) << sentences.status();
  EXPECT_THAT(sentences->at(0).words, ElementsAre("\u00e9", "b"));
}

TEST(ListText, AnotherEncodingIsNamedWithFileAndLine) {
  const std::string cause = "is not UTF-8 but written in another encoding, such as Latin-1: ";
  EXPECT_THAT(videos_of("video,output\na.mp4,a\ncaf\xe9.mp4,b\n", ManifestFormat::kCsv).at(0),
              HasSubstr("list: line 3: " + cause + "\"caf\\xe9.mp4,b\"; save the file as UTF-8"));
  EXPECT_THAT(videos_of("[\n\"caf\xe9.mp4\"]", ManifestFormat::kJson).at(0),
              HasSubstr("list: line 2: " + cause));
  EXPECT_THAT(videos_of("\"a\"\n\"caf\xe9.mp4\"", ManifestFormat::kJsonLines).at(0),
              HasSubstr("list: line 2: " + cause));
  EXPECT_THAT(parse_sentences("sentence_id,ref_ids\ns1,caf\xe9\n", "s.csv").status().message(),
              HasSubstr("s.csv: line 2: " + cause));
  // A line of paths may be what `find` printed: then it is the file's name.
  EXPECT_THAT(videos_of("caf\xe9.mp4\n", ManifestFormat::kLines), ElementsAre("caf\xe9.mp4"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
