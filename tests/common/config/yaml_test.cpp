#include "common/config/yaml.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::config {
namespace {

using ::testing::HasSubstr;

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  const auto parsed = parse_yaml(text, "f.yaml", limits);
  return parsed.ok() ? "" : parsed.status().message();
}

TEST(Yaml, KeepsScalarsAsWrittenAndKnowsTheirLines) {
  const auto parsed = parse_yaml("seed: 042\nlist:\n  - a: 1.50\n    b: ''\n  - ~\n", "f.yaml");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->find("seed")->scalar, "042");
  const YamlNode* list = parsed->find("list");
  ASSERT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->items[0].find("a")->scalar, "1.50");
  EXPECT_EQ(list->items[0].find("a")->line, 3);
  EXPECT_EQ(list->items[0].find("b")->kind, YamlNode::Kind::kScalar);
  EXPECT_EQ(list->items[1].kind, YamlNode::Kind::kNull);
}

TEST(Yaml, AnEmptyDocumentIsNull) {
  EXPECT_EQ(parse_yaml("", "f.yaml")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(parse_yaml("# only a comment\n", "f.yaml")->kind, YamlNode::Kind::kNull);
}

TEST(Yaml, NamesFileLineAndCauseOfWhatItRefuses) {
  EXPECT_THAT(error_of("a: 1\nb: [1\n"), HasSubstr("f.yaml: line "));
  EXPECT_EQ(error_of("a: 1\na: 2\n"), "f.yaml: line 2: key 'a' is there twice");
  EXPECT_EQ(error_of("a: &x 1\nb: *x\n"),
            "f.yaml: line 1: anchors and aliases are not supported: write the value out");
  EXPECT_EQ(error_of("? [1]\n: 2\n"), "f.yaml: line 1: a key must be text");
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"), "f.yaml: line 3: a second document starts");
  EXPECT_EQ(error_of(std::string_view("a: \0", 4)),
            "f.yaml: is no text: it has zero bytes; save it as UTF-8");
}

TEST(Yaml, Utf16IsReadAndAnotherEncodingNamedWithItsLine) {
  for (const std::string_view text : {std::string_view("\xff\xfe"
                                                       "a\0:\0 \0\xe9\0\n\0",
                                                       12),
                                      std::string_view("\xfe\xff\0a\0:\0 \0\xe9\0\n", 12)}) {
    const auto node = parse_yaml(text, "f.yaml");
    ASSERT_TRUE(node.ok()) << node.status();
    ASSERT_NE(node->find("a"), nullptr);
    EXPECT_EQ(node->find("a")->scalar, "\u00e9");
  }
  EXPECT_THAT(
      error_of("a: 1\nb: caf\xe9\n"),
      HasSubstr("f.yaml: line 2: is not UTF-8 but written in another encoding, such as Latin-1"));
}

TEST(Yaml, StaysWithinItsLimits) {
  const YamlLimits small = {.bytes = 40, .depth = 2, .nodes = 6};
  EXPECT_EQ(error_of(std::string(41, '#'), small), "f.yaml: is larger than 40 bytes");
  EXPECT_EQ(error_of("[[[1]]]", small), "f.yaml: line 1: is nested deeper than 2 levels");
  EXPECT_EQ(error_of("[1, 2, 3, 4, 5, 6]", small), "f.yaml: line 1: has more than 6 values");
  EXPECT_NE(error_of(std::string(100'000, '[')), "");
}

TEST(Yaml, AFileThatIsNotThereIsNamed) {
  const auto read = read_yaml("/nowhere/f.yaml");
  EXPECT_EQ(read.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(read.status().message(), HasSubstr("/nowhere/f.yaml"));
}

}  // namespace
}  // namespace mimicfleet::config
