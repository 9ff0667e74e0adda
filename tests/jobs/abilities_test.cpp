#include "jobs/abilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

TEST(Abilities, AnEncodeThatSetsNothingNewCanBeDoneByAnyVersion) {
  EXPECT_EQ(lacking_ability({}, Parameters()), "");
}

TEST(Abilities, AProgramThatDoesNotListASettingLacksIt) {
  Parameters parameters;
  parameters.guidance_interval = {0.2, 0.8};
  EXPECT_EQ(lacking_ability({}, parameters), "--guidance-interval");
  EXPECT_EQ(lacking_ability(known_abilities(), parameters), "");
}

TEST(Abilities, ConstantsOfTheLcmSchedulerCountWhereItSamples) {
  Parameters parameters;
  parameters.lcm.sigma_max = 80;
  EXPECT_EQ(lacking_ability({}, parameters), "") << "euler has none";
  parameters.scheduler = SchedulerKind::kLcm;
  EXPECT_THAT(lacking_ability({}, parameters), ::testing::HasSubstr("--scheduler-sigma-max"));
  EXPECT_EQ(lacking_ability(known_abilities(), parameters), "");
  parameters.lcm = {};
  EXPECT_EQ(lacking_ability({}, parameters), "");
}

TEST(Abilities, EightBitsTakeADeviceBesideAVersion) {
  Parameters parameters;
  parameters.fp8 = true;
  EXPECT_EQ(lacking_ability(known_abilities(/*fp8=*/false), parameters), "--fp8");
  EXPECT_EQ(lacking_ability(known_abilities(/*fp8=*/true), parameters), "");
}

TEST(Abilities, AProgramThatKnowsNoReadingsGetsOnlyWhatIsReadAsTheOriginalDoes) {
  const FileRef ordinary{"a.mp4", {}, 1};
  const FileRef anamorphic{"b.mp4", {}, 1, "square.1"};
  const std::vector<std::string> older = {"guidance_interval"};
  EXPECT_EQ(lacking_ability(older, Parameters(), ordinary, ordinary), "");
  EXPECT_EQ(lacking_ability(older, Parameters(), anamorphic, ordinary), "--compat viewer");
  EXPECT_EQ(lacking_ability(older, Parameters(), ordinary, anamorphic), "--compat viewer");
  EXPECT_EQ(lacking_ability(known_abilities(), Parameters(), anamorphic, anamorphic), "");
}

}  // namespace
}  // namespace mimicfleet::jobs
