#include "coordinator/client/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::vector<SettingValue> flags_of(const Pairs& pairs) {
  std::vector<SettingValue> flags;
  for (const auto& [name, text] : pairs) flags.push_back({find_setting(name), text, "--" + name});
  return flags;
}

Result<Variants> make(const Pairs& flags, const std::vector<std::string>& texts = {}) {
  return make_variants(flags_of(flags), texts);
}

std::vector<std::string> names(const Variants& variants) {
  std::vector<std::string> names;
  for (const auto& variant : variants.variants) names.push_back(variant.name);
  return names;
}

TEST(Variants, FlagsGivenSeveralTimesAreDealtOutAndTheOthersHoldForAll) {
  const auto made = make({{"steps", "25"},
                          {"steps", "4"},
                          {"guidance-scale", "2"},
                          {"guidance-scale", "1"},
                          {"seed", "7"}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(names(*made), ElementsAre("steps=25,guidance-scale=2", "steps=4,guidance-scale=1"));
  ASSERT_EQ(made->shared.size(), 1U);
  EXPECT_EQ(made->shared[0].text, "7");
  EXPECT_EQ(made->variants[1].layer.values.at(1).text, "1");
  EXPECT_EQ(made->variants[1].layer.source, "variant");
}

TEST(Variants, GuidanceIntervalsAreComparedAsStepsAre) {
  const auto made = make({{"guidance-interval", "0:1"}, {"guidance-interval", "0.2:0.8"}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(names(*made), ElementsAre("guidance-interval=0-1", "guidance-interval=0.2-0.8"));
  EXPECT_EQ(made->variants[1].layer.values.at(0).text, "0.2:0.8");
}

TEST(Variants, AVariantIsAListOfSettingsInAnySpelling) {
  const auto made = make({{"seed", "7"}}, {"num_inference_steps=25 , guidance-scale = 2",
                                           "name=fast & small, steps=4,skip_lcm_scheduler,"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(names(*made), ElementsAre("steps=25,guidance-scale=2", "fast---small"));
  EXPECT_EQ(made->variants[0].layer.values.at(0).setting, find_setting("steps"));
  EXPECT_EQ(made->variants[1].layer.values.at(1).text, "true");
}

TEST(Variants, PathsAreNamedByTheirLastPartAndNoneByNothing) {
  const auto made = make({{"steps", "25"},
                          {"steps", "4"},
                          {"lcm-lora-path", "none"},
                          {"lcm-lora-path", "models/x/fast.safetensors"}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(names(*made), ElementsAre("steps=25", "steps=4,lcm-lora-path=fast"));
}

TEST(Variants, SeveralLorasMayHoldForAllVariants) {
  const auto made = make({{"lcm-lora-path", "a"}, {"lcm-lora-path", "b"}}, {"steps=4", "steps=8"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->shared.size(), 2U);
}

TEST(Variants, NamesAreSafeFolders) {
  const auto made = make({}, {"name=../../etc, steps=1", "name=._run, steps=2"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT(names(*made), ElementsAre("-..-etc", "run"));
}

std::string error(const Pairs& flags, const std::vector<std::string>& texts = {}) {
  return make(flags, texts).status().message();
}

TEST(Variants, WhatCannotBeComparedIsToldWithARemedy) {
  EXPECT_EQ(error({{"steps", "4"}}),
            "nothing to compare: give a flag such as --steps twice, or --variant twice");
  EXPECT_EQ(error({}, {"steps=4"}),
            "one --variant has nothing to be compared with: give two or more");
  EXPECT_EQ(error({{"steps", "1"}, {"steps", "2"}, {"steps", "3"}, {"seed", "1"}, {"seed", "2"}}),
            "--seed is given 2 times and --steps 3 times: give a flag once for all variants, or "
            "once for each, or "
            "write --variant");
  EXPECT_EQ(
      error({{"steps", "1"}, {"steps", "2"}}, {"seed=1", "seed=2"}),
      "--steps is given 2 times beside --variant: write it into the variants, or once for all");
  EXPECT_EQ(error({{"steps", "4"}, {"steps", "4"}}),
            "two variants are called 'steps=4': leave one out, or give them a name=…");
  EXPECT_EQ(error({}, {"stpes=4", "steps=2"}),
            "--variant 'stpes=4': unknown setting 'stpes'; did you mean 'steps'?");
  EXPECT_EQ(error({}, {"steps", "steps=2"}),
            "--variant 'steps': 'steps' has no value; write steps=…");
  EXPECT_THAT(error({}, {" ,", "steps=2"}), HasSubstr("sets nothing"));
  EXPECT_THAT(error({}, std::vector<std::string>(17, "steps=2")),
              HasSubstr("17 variants are too many"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
