#include "jobs/settings.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/abilities.h"

namespace mimicfleet::jobs {
namespace {

using ::testing::Contains;

TEST(Settings, EverySpellingMeansOneSetting) {
  std::set<std::string> names;
  for (const auto& name : setting_names()) {
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_NE(find_setting(name), nullptr) << name;
  }
}

// Another value of a setting than its default.
Parameters with_other_value(const Setting& setting) {
  Parameters parameters;
  for (const char* text : {"1", "2", "17", "true", "each", "slerp"}) {
    if (setting.set(parameters, text).ok() && !setting.is_default(parameters)) break;
  }
  EXPECT_FALSE(setting.is_default(parameters)) << setting.name;
  return parameters;
}

Digest latents_key_of(const Parameters& parameters) { return latents_key({}, {}, {}, parameters); }

// Whoever adds a setting gets this for its row.
TEST(Settings, ANewerOneIsAnAbilityAndChangesTheLatentsKeyOnceItIsSet) {
  int newer = 0;
  for (const auto& setting : settings()) {
    if (!setting.is_newer) continue;
    ++newer;
    ASSERT_NE(setting.is_default, nullptr) << setting.name;
    EXPECT_TRUE(setting.is_default(Parameters())) << setting.name;
    const Parameters other = with_other_value(setting);
    EXPECT_NE(latents_key_of(other), latents_key_of(Parameters())) << setting.name;
    EXPECT_THAT(known_abilities(), Contains(std::string(setting.name)));
    EXPECT_EQ(lacking_ability({}, other), setting.shown());
    EXPECT_EQ(lacking_ability(known_abilities(), other), "");
    EXPECT_EQ(lacking_ability({}, Parameters()), "");
  }
  EXPECT_GT(newer, 0);
}

TEST(Settings, WhatOnlyDecodesDependOnIsInNoLatentsKeyAndCanBeCopied) {
  int of_decode = 0;
  for (const auto& setting : settings()) {
    if (!setting.of_decode) continue;
    ++of_decode;
    const Parameters other = with_other_value(setting);
    EXPECT_EQ(latents_key_of(other), latents_key_of(Parameters())) << setting.name;
    Parameters copied;
    setting.copy(other, copied);
    EXPECT_EQ(copied, other) << setting.name;
  }
  EXPECT_GT(of_decode, 0);
}

TEST(Settings, AreToldAsTheirFlagsTakeThem) {
  Parameters parameters;
  parameters.guidance_interval = {0.2, 0.8};
  EXPECT_EQ(find_setting("steps")->text(parameters), "25");
  EXPECT_EQ(find_setting("scheduler")->text(parameters), "euler");
  EXPECT_EQ(find_setting("guidance_scale")->text(parameters), "2");
  EXPECT_EQ(find_setting("guidance_interval")->text(parameters), "0.2:0.8");
  for (const auto& setting : settings()) {
    if (setting.value_in == nullptr || setting.text({}) == "null") continue;
    Parameters same;
    EXPECT_TRUE(setting.set(same, setting.text({})).ok()) << setting.name;
    EXPECT_EQ(same, Parameters()) << setting.name;
  }
}

TEST(Settings, ANumberOutsideItsRangeIsToldByItsFlag) {
  for (const auto& setting : settings()) {
    if (setting.number == nullptr || setting.most > 1e9) continue;
    Parameters parameters;
    ASSERT_TRUE(setting.set(parameters, "1000001").ok()) << setting.name;
    const Status bad = validate(parameters);
    EXPECT_TRUE(bad.message().starts_with(setting.shown() + " ")) << setting.name << ": " << bad;
  }
}

TEST(EnumNames, AreReadInAnyCaseAndListedOnce) {
  EXPECT_EQ(enum_from<Retarget>("GRAFT"), Retarget::kGraft);
  EXPECT_EQ(enum_from<Retarget>("graf"), std::nullopt);
  EXPECT_EQ(enum_from<Retarget>(""), std::nullopt);
  EXPECT_EQ(choices<SchedulerKind>(), "euler or lcm");
  EXPECT_EQ(choices<Precision>(), "auto, fp32, bf16 or fp16");
}

}  // namespace
}  // namespace mimicfleet::jobs
