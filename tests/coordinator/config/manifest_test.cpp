#include "coordinator/config/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string error_of(std::string_view text, ManifestFormat format) {
  const auto parsed = parse_manifest(text, "list", format);
  return parsed.ok() ? "" : parsed.status().message();
}

TEST(Manifest, TheSuffixTellsTheFormat) {
  ManifestFormat format{};
  EXPECT_TRUE(manifest_format_of("a/list.csv", format));
  EXPECT_EQ(format, ManifestFormat::kCsv);
  EXPECT_TRUE(manifest_format_of("list.jsonl", format));
  EXPECT_EQ(format, ManifestFormat::kJsonLines);
  EXPECT_FALSE(manifest_format_of("clip.mp4", format));
}

TEST(Manifest, LinesArePathsAndMayBeCommented) {
  const auto list = parse_manifest("\xef\xbb\xbf# clips\n a b.mp4 \r\n\n/x/c.mp4", "list",
                                   ManifestFormat::kLines);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(*list, SizeIs(2));
  EXPECT_EQ((*list)[0].video, "a b.mp4");
  EXPECT_EQ((*list)[1].video, "/x/c.mp4");
  EXPECT_EQ((*list)[1].where, "list: line 4");
}

TEST(Manifest, CsvColumnsMayBeSettingsOfTheClip) {
  const auto list =
      parse_manifest("video,ref_image,output,seed,num_inference_steps\na.mp4,r.png,out/a,7,\n",
                     "list", ManifestFormat::kCsv);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(*list, SizeIs(1));
  const auto& entry = (*list)[0];
  EXPECT_EQ(entry.video, "a.mp4");
  EXPECT_EQ(entry.reference, "r.png");
  EXPECT_EQ(entry.output, "out/a");
  ASSERT_THAT(entry.values, SizeIs(1));  // an empty cell sets nothing
  EXPECT_EQ(entry.values[0].setting->name, "seed");
  EXPECT_EQ(entry.values[0].text, "7");
}

TEST(Manifest, SeveralLorasAreAListOrSeveralColumns) {
  const auto loras_of = [](std::string_view text, ManifestFormat format) {
    std::vector<std::string> loras;
    const auto list = parse_manifest(text, "list", format);
    EXPECT_TRUE(list.ok()) << list.status();
    for (const auto& value : list->at(0).values) {
      if (value.setting->name == "loras") loras.push_back(value.text);
    }
    return loras;
  };
  EXPECT_THAT(
      loras_of(R"([{"video": "a.mp4", "lcm_lora_path": ["x", "y"], "skip_lcm_scheduler": true}])",
               ManifestFormat::kJson),
      ElementsAre("x", "y"));
  EXPECT_THAT(
      loras_of(R"({"video": "a.mp4", "lcm_lora_path": ["x", "y"]})", ManifestFormat::kJsonLines),
      ElementsAre("x", "y"));
  EXPECT_THAT(loras_of("video,lcm_lora_path,lcm_lora_path\na.mp4,x,y\n", ManifestFormat::kCsv),
              ElementsAre("x", "y"));
  EXPECT_EQ(error_of(R"([{"video": "a.mp4", "seed": [1]}])", ManifestFormat::kJson),
            "list: entry 1: seed must be one value");
}

TEST(Manifest, JsonHoldsPathsOrObjects) {
  const auto list =
      parse_manifest(R"(["a.mp4", {"video": "b.mp4", "guidance_scale": 1.5, "fps": "source"}])",
                     "list", ManifestFormat::kJson);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(*list, SizeIs(2));
  EXPECT_EQ((*list)[1].video, "b.mp4");
  EXPECT_EQ((*list)[1].values[0].text, "1.5");
  const auto lines =
      parse_manifest("\"a.mp4\"\n\n{\"video\": \"b.mp4\"}\n", "list", ManifestFormat::kJsonLines);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, SizeIs(2));
}

TEST(Manifest, NamesPlaceAndCauseOfWhatItRefuses) {
  EXPECT_EQ(error_of("video,sede\na.mp4,1\n", ManifestFormat::kCsv),
            "list: line 2: unknown column 'sede'; did you mean 'seed'?");
  EXPECT_EQ(error_of("a.mp4\n", ManifestFormat::kCsv),
            "list: line 1: the first line must name the columns, `video` among them");
  EXPECT_EQ(error_of("video,seed\na.mp4\n", ManifestFormat::kCsv),
            "list: line 2: has 1 cells, the header 2");
  EXPECT_EQ(error_of("video\n\"a.mp4\n", ManifestFormat::kCsv),
            "list: line 2: a quote is opened and never closed");
  EXPECT_EQ(error_of("video,seed\n,1\n", ManifestFormat::kCsv), "list: line 2: names no video");
  EXPECT_EQ(error_of("{}", ManifestFormat::kJson),
            "list: must be a JSON array of paths or objects");
  EXPECT_EQ(error_of("[1]", ManifestFormat::kJson),
            "list: entry 1: must be a path or an object with `video`");
  EXPECT_EQ(error_of(R"([{"video": "a", "seed": [1]}])", ManifestFormat::kJson),
            "list: entry 1: seed must be one value");
  EXPECT_THAT(error_of("[", ManifestFormat::kJson), HasSubstr("list: malformed JSON"));
  EXPECT_THAT(error_of("\"a\"\n{", ManifestFormat::kJsonLines),
              HasSubstr("list: line 2: malformed JSON"));
}

TEST(Manifest, ACsvMayBeSeparatedBySemicolonsOrTabs) {
  for (const std::string_view text :
       {"video;ref_image;guidance_scale\nclips/a,b.mp4;r.png;1.5\n",
        "video\tref_image\tguidance_scale\nclips/a,b.mp4\tr.png\t1.5\n"}) {
    const auto list = parse_manifest(text, "list", ManifestFormat::kCsv);
    ASSERT_TRUE(list.ok()) << list.status();
    EXPECT_EQ(list->at(0).video, "clips/a,b.mp4");
    EXPECT_EQ(list->at(0).reference, "r.png");
    EXPECT_EQ(list->at(0).values.at(0).text, "1.5");
  }
}

TEST(Manifest, EmptyRowsAndColumnsOfSpreadsheetsArePassedOver) {
  const auto list = parse_manifest("video;seed;;\na.mp4;7;;\n;;;\n ; ;;\nb.mp4;;;\n;\n", "list",
                                   ManifestFormat::kCsv);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_THAT(*list, SizeIs(2));
  EXPECT_EQ((*list)[1].video, "b.mp4");
  EXPECT_THAT(error_of("video;seed;\na.mp4;7;x\n", ManifestFormat::kCsv),
              HasSubstr("line 2: unknown column ''"));
}

TEST(Manifest, AColumnThatIsThereTwiceIsRefused) {
  EXPECT_EQ(error_of("video,seed,video\na.mp4,7,b.mp4\n", ManifestFormat::kCsv),
            "list: line 1: the column 'video' is there twice");
  EXPECT_EQ(error_of("path,video\na.mp4,b.mp4\n", ManifestFormat::kCsv),
            "list: line 1: the columns 'path' and 'video' mean the same");
  EXPECT_EQ(error_of("video,steps,num_inference_steps\na.mp4,7,8\n", ManifestFormat::kCsv),
            "list: line 1: the columns 'steps' and 'num_inference_steps' mean the same");
}

TEST(Manifest, TheFormatFollowsTheSuffixInAnyCase) {
  ManifestFormat format{};
  for (const char* name : {"a.csv", "a.CSV", "a.tsv"}) {
    EXPECT_TRUE(manifest_format_of(name, format)) << name;
    EXPECT_EQ(format, ManifestFormat::kCsv);
  }
  EXPECT_FALSE(manifest_format_of("a.mp4", format));
}

TEST(Manifest, AColumnOfAnotherSpellingIsNamedWithTheRightOne) {
  EXPECT_EQ(error_of("Video,seed\na.mp4,7\n", ManifestFormat::kCsv),
            "list: line 1: the first line must name the columns, `video` among them; 'Video' is "
            "none: did you "
            "mean 'video'?");
  EXPECT_EQ(error_of("seed;VIDEOS\n7;a.mp4\n", ManifestFormat::kCsv),
            "list: line 1: the first line must name the columns, `video` among them; 'VIDEOS' is "
            "none: did you "
            "mean 'video'?");
  EXPECT_EQ(error_of("video,Ref_Image\na.mp4,r.png\n", ManifestFormat::kCsv),
            "list: line 2: unknown column 'Ref_Image'; did you mean 'ref_image'?");
}

TEST(Manifest, IsBounded) {
  std::string text;
  for (std::size_t i = 0; i <= kMaxManifestEntries; ++i) text += "a\n";
  EXPECT_EQ(error_of(text, ManifestFormat::kLines), "list: lists more than 200000 clips: split it");
}

}  // namespace
}  // namespace mimicfleet::coordinator
