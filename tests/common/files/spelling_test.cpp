#include "common/files/spelling.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/common/files/temporary_folder.h"

namespace mimicfleet {
namespace {

constexpr const char* kComposed = "caf\u00e9";
constexpr const char* kDecomposed = "cafe\u0301";

TEST(Spelling, BothSpellingsOfAnAccentAreOneForComparing) {
  EXPECT_EQ(composed(kDecomposed), kComposed);
  EXPECT_EQ(composed(kComposed), kComposed);
  EXPECT_EQ(composed("\u1112\u1161\u11ab"), "\ud55c");  // Hangul
  EXPECT_EQ(composed("plain"), "plain");
  EXPECT_EQ(composed("a\xff\xcc\x81"), "a\xff\xcc\x81");
  EXPECT_EQ(composed(std::string_view("\u00e9\0x", 4)), std::string_view("\u00e9\0x", 4));
}

TEST(Spelling, AFileIsFoundByTheOtherSpellingOfItsFoldersAndName) {
  const TemporaryFolder folder;
  SpelledPaths paths;
  for (const auto& [on_disk, written] :
       {std::pair(kDecomposed, kComposed), {kComposed, kDecomposed}}) {
    const std::string place = folder / (on_disk == kComposed ? "one" : "two");
    const std::string file = place + "/" + on_disk + "/plain/" + on_disk + ".mp4";
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::filesystem::create_symlink("/dev/null", file);
    EXPECT_EQ(paths.find(place + "/" + written + "/plain/" + written + ".mp4"), file);
    EXPECT_EQ(paths.find(file), file);
  }
}

TEST(Spelling, WhatIsNotThereStaysAsItIsWritten) {
  const TemporaryFolder folder;
  SpelledPaths paths;
  for (const std::string& path :
       {folder / "gone.mp4", folder / kComposed, std::string("/nowhere/") + kDecomposed,
        std::string("\xff"), std::string()}) {
    EXPECT_EQ(paths.find(path), path);
  }
}

}  // namespace
}  // namespace mimicfleet
