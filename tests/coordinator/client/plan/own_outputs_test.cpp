#include "coordinator/client/plan/own_outputs.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/clip.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OwnOutputsTest : public ::testing::Test {
 protected:
  OwnOutputsTest() { std::filesystem::create_directory(folder_ / "_run"); }
  std::vector<std::string> foreign(const std::string& name) {
    return OwnOutputs(folder_.path()).foreign(name);
  }

  TemporaryFolder folder_;
};

TEST_F(OwnOutputsTest, WhatHasNoRecordOfOursIsSomebodyElses) {
  EXPECT_THAT(foreign("x/a"), IsEmpty());
  finish_clip(folder_, clip_in(folder_.path()), "an mp4");
  EXPECT_THAT(foreign("x/a"), IsEmpty());
  put(folder_, "b.mp4", "x");
  EXPECT_THAT(foreign("b"), ElementsAre("b.mp4"));
  put(folder_, "b.json", R"({"shopping": "list"})");
  EXPECT_THAT(foreign("b"), ElementsAre("b.mp4", "b.json"));
  put(folder_, "c.json", "no JSON");
  EXPECT_THAT(foreign("c"), ElementsAre("c.json"));
}

TEST_F(OwnOutputsTest, WhatARunNotedIsOursAlsoWithoutItsRecord) {
  const std::vector<std::string> names = {"a", "x/b", "line\nbreak"};
  ASSERT_TRUE(OwnOutputs(folder_.path()).note(names).ok());
  for (const auto& name : names) {
    put(folder_, name + ".mp4", "x");
    EXPECT_THAT(foreign(name), IsEmpty());
  }
  put(folder_, "d.mp4", "x");
  EXPECT_THAT(foreign("d"), ElementsAre("d.mp4"));
}

TEST_F(OwnOutputsTest, OfAFolderThatAnOlderVersionWorkedInAllIsOurs) {
  put(folder_, "_run/events.jsonl", "{}\n");
  put(folder_, "a.mp4", "half made when that run was killed");
  EXPECT_THAT(foreign("a"), IsEmpty());
  ASSERT_TRUE(OwnOutputs(folder_.path()).note({}).ok());
  EXPECT_THAT(foreign("a"), ElementsAre("a.mp4")) << "from now on it is written down what is ours";
}

TEST_F(OwnOutputsTest, AreNotedOnceAndAfterATornLine) {
  ASSERT_TRUE(OwnOutputs(folder_.path()).note({"a", "b"}).ok());
  const auto size = std::filesystem::file_size(folder_ / "_run/outputs.jsonl");
  ASSERT_TRUE(OwnOutputs(folder_.path()).note({"b", "a"}).ok());
  EXPECT_EQ(std::filesystem::file_size(folder_ / "_run/outputs.jsonl"), size);
  std::ofstream(folder_ / "_run/outputs.jsonl", std::ios::app) << "\"tor";
  ASSERT_TRUE(OwnOutputs(folder_.path()).note({"c"}).ok());
  for (const auto* name : {"b", "c"}) {
    put(folder_, name + std::string(".mp4"), "x");
    EXPECT_THAT(foreign(name), IsEmpty());
  }
}

TEST_F(OwnOutputsTest, WithoutItsFolderNothingIsNoted) {
  std::filesystem::remove(folder_ / "_run");
  EXPECT_FALSE(OwnOutputs(folder_.path()).note({"a"}).ok());
}

}  // namespace
}  // namespace mimicfleet::coordinator
