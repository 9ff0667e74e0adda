#include "jobs/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::jobs {
namespace {

using testing::HasSubstr;

TEST(Parameters, TheDefaultsAreValid) { EXPECT_EQ(validate({}), Status()); }

TEST(Parameters, ZeroStepsAreRefusedWithWhatIsPossible) {
  Parameters parameters;
  parameters.steps = 0;
  const Status status = validate(parameters);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("--steps 0 is not possible: it must be 1 to 1000"));
}

TEST(Parameters, TheLcmSchedulerHasNoMoreStepsThanItWasTrainedFor) {
  Parameters parameters;
  parameters.scheduler = SchedulerKind::kLcm;
  parameters.steps = 40;
  EXPECT_EQ(validate(parameters), Status());
  parameters.steps = 41;
  EXPECT_EQ(validate(parameters).message(),
            "--steps 41 is not possible with the lcm scheduler: it must be 1 to 40");
}

TEST(Parameters, LorasHaveFiniteScalesAndAreNotTooMany) {
  Parameters parameters;
  parameters.loras.resize(2);
  parameters.loras[1].scale = 1e9;
  EXPECT_THAT(validate(parameters).message(), HasSubstr("--lcm-lora-scale 1000000000 is not possible"));
  parameters.loras = std::vector<Lora>(17);
  EXPECT_THAT(validate(parameters).message(), HasSubstr("17 LoRAs are too many"));
}

TEST(Parameters, AResolutionThatTheModelsDoNotAcceptNamesANearOne) {
  Parameters parameters;
  parameters.resolution = 500;
  EXPECT_THAT(validate(parameters).message(), HasSubstr("must be a multiple of 64, such as 512"));
  parameters.resolution = 576;
  parameters.width = 128;
  EXPECT_THAT(validate(parameters).message(), HasSubstr("needs both a width and a height"));
  parameters.height = 200;
  EXPECT_THAT(validate(parameters).message(), HasSubstr("height 200"));
}

TEST(Parameters, AnOverlapThatDoesNotFitNamesTheTile) {
  Parameters parameters;
  parameters.tile_frames = 3;
  EXPECT_EQ(validate(parameters).message(),
            "--frames-overlap 6 is not possible with --num-frames 3: it must be 0 to 2");
}

TEST(Parameters, AJoinHasFramesPutInOrIsFadedOver) {
  Parameters parameters;
  parameters.interp_frames = 3;
  EXPECT_EQ(validate(parameters), Status());
  parameters.crossfade_frames = 2;
  EXPECT_THAT(validate(parameters).message(), HasSubstr("--crossfade-frames 2 is not possible"));
}

TEST(Parameters, SchedulersAreNamedAsTheOriginalsScriptsDo) {
  const auto scheduler = [](std::string_view name) {
    return enum_from(name, static_cast<SchedulerKind*>(nullptr));
  };
  EXPECT_EQ(scheduler("EulerDiscreteScheduler"), SchedulerKind::kEuler);
  EXPECT_EQ(scheduler("AnimateLCM_SVD"), SchedulerKind::kLcm);
  EXPECT_EQ(scheduler("LCM"), SchedulerKind::kLcm);
  EXPECT_FALSE(scheduler("ddim").has_value());
  EXPECT_EQ(to_string(SchedulerKind::kLcm), "lcm");
}

}  // namespace
}  // namespace mimicfleet::jobs
