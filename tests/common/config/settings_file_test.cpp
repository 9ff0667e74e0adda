#include "common/config/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SettingsFile, TextsNumbersChoicesAndListsAreKeptAsTextInTheirOrder) {
  const auto settings = parse_settings(
      "listen = \"tcp://0.0.0.0:5555\"  # all of them\n"
      "insecure = true\n"
      "lease-ms = 10_000\n"
      "models = [\n  \"/srv/a#b, c\",\n  '/srv/models',\n]\n",
      "c.toml");
  ASSERT_TRUE(settings.ok()) << settings.status().message();
  ASSERT_EQ(settings->size(), 4u);
  EXPECT_EQ((*settings)[0].key, "listen");
  EXPECT_THAT((*settings)[0].values, ElementsAre("tcp://0.0.0.0:5555"));
  EXPECT_THAT((*settings)[1].values, ElementsAre("true"));
  EXPECT_THAT((*settings)[2].values, ElementsAre("10000"));
  EXPECT_THAT((*settings)[3].values, ElementsAre("/srv/a#b, c", "/srv/models"));
  EXPECT_TRUE((*settings)[3].is_list);
  EXPECT_EQ((*settings)[3].line, 4);
}

TEST(SettingsFile, AnEmptyFileHasNoSettings) {
  EXPECT_THAT(*parse_settings("", "c.toml"), IsEmpty());
  EXPECT_THAT(*parse_settings("# nothing\n", "c.toml"), IsEmpty());
}

TEST(SettingsFile, WhatIsWrongIsToldWithFileAndLine) {
  for (const auto& [text, cause] : std::vector<std::pair<std::string, std::string>>{
           {"a = 1\nlisten = tcp://x\n", "c.toml:2: this is not TOML"},
           {"a = \"open\n", "c.toml:1: this is not TOML"},
           {"a = 1\na = 2\n", "c.toml:2: this is not TOML"},
           {"a = 1\n[serve]\nb = 2\n", "c.toml:2: 'serve' is a section"},
           {"[[serve]]\nb = 2\n", "'serve' is a section"},
           {"when = 1979-05-27\n", "c.toml:1: 'when' must be a text in quotes"},
           {"list = [[1], 2]\n", "c.toml:1: 'list' must be a text in quotes"}}) {
    const auto settings = parse_settings(text, "c.toml");
    ASSERT_FALSE(settings.ok()) << text;
    EXPECT_EQ(settings.status().code(), StatusCode::kBadInput);
    EXPECT_THAT(std::string(settings.status().message()), HasSubstr(cause)) << text;
  }
}

TEST(SettingsFile, AListOfListsWithoutEndIsRefused) {
  EXPECT_FALSE(parse_settings("a = " + std::string(100'000, '['), "c.toml").ok());
}

TEST(SettingsFile, AFileThatIsNotThereIsNamed) {
  const auto settings = read_settings("/nonexistent/c.toml");
  ASSERT_FALSE(settings.ok());
  EXPECT_THAT(std::string(settings.status().message()), HasSubstr("/nonexistent/c.toml"));
}

}  // namespace
}  // namespace mimicfleet::config
