#include "jobs/parameters.h"

#include <cmath>
#include <limits>

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

TEST(Parameters, TheLcmSchedulersConstantsMustMakeSense) {
  Parameters parameters;
  parameters.scheduler = SchedulerKind::kLcm;
  parameters.steps = 60;
  parameters.lcm.train_timesteps = 60;
  EXPECT_EQ(validate(parameters), Status());
  parameters.lcm.train_timesteps = 1;
  EXPECT_EQ(validate(parameters).message(),
            "--lcm-num-train-timesteps 1 is not possible: it must be 2 to 1000");
  parameters.lcm = {};
  parameters.steps = 4;
  parameters.lcm.sigma_max = 0.001;
  EXPECT_EQ(validate(parameters).message(),
            "--scheduler-sigma-max 0.001 is not possible: it must be 0.002 to 1000000");
  parameters.lcm.sigma_max = std::numeric_limits<double>::infinity();
  EXPECT_EQ(validate(parameters).message(),
            "--scheduler-sigma-max inf is not possible: it must be 0.002 to 1000000");
}

TEST(Parameters, AGuidanceIntervalLiesWithinTheStepsAndEndsAfterItsBegin) {
  const auto error = [](double begin, double end) {
    Parameters parameters;
    parameters.guidance_interval = {begin, end};
    return validate(parameters).message();
  };
  EXPECT_EQ(error(0, 0.5), "");
  EXPECT_EQ(error(0.8, 0.2),
            "--guidance-interval 0.8:0.2 is not possible: it must be A:B with 0 <= A < B <= 1, "
            "such as 0.2:0.8");
  for (const auto& [begin, end] : {std::pair(0.5, 0.5), std::pair(-0.1, 0.5), std::pair(0.5, 1.1),
                                   std::pair(std::nan(""), 1.0), std::pair(0.0, std::nan(""))}) {
    EXPECT_THAT(error(begin, end), HasSubstr("is not possible")) << begin << ":" << end;
  }
}

StepRange guided(std::int32_t steps, double begin, double end) {
  Parameters parameters;
  parameters.steps = steps;
  parameters.guidance_interval = {begin, end};
  return guided_steps(parameters);
}

TEST(GuidedSteps, AreThoseWhoseMiddleLiesInTheInterval) {
  EXPECT_EQ(guided(25, 0, 1), (StepRange{0, 25}));
  EXPECT_EQ(guided(25, 0.2, 0.8), (StepRange{5, 20}));
  EXPECT_EQ(guided(4, 0.2, 0.8), (StepRange{1, 3}));
  EXPECT_EQ(guided(4, 0.125, 0.875),
            (StepRange{0, 3}));  // the middles of the first and of the last
  EXPECT_EQ(guided(1, 0, 0.5).count(), 0);
  EXPECT_EQ(guided(1, 0.5, 1), (StepRange{0, 1}));
  EXPECT_EQ(guided(4, 0.4, 0.6).count(), 0);
}

TEST(GuidedSteps, IntervalsThatMeetShareTheStepsOutWhateverTheirNumbersRoundTo) {
  for (std::int32_t steps = 1; steps <= 100; ++steps) {
    for (int hundredths = 1; hundredths < 100; ++hundredths) {
      const double share = hundredths / 100.0;
      const auto before = guided(steps, 0, share);
      EXPECT_EQ(before.begin, 0);
      EXPECT_EQ(guided(steps, share, 1), (StepRange{before.end, steps}))
          << share << " of " << steps;
      int middles = 0;  // before the share, counted in whole numbers
      while (middles < steps && (2 * middles + 1) * 100 < 2 * hundredths * steps) ++middles;
      EXPECT_EQ(before.end, middles) << share << " of " << steps;
    }
  }
}

TEST(GuidedSteps, AreNoneWithoutGuidance) {
  Parameters parameters;
  parameters.guidance_scale = 1;
  EXPECT_EQ(guided_steps(parameters).count(), 0);
}

TEST(Parameters, LorasHaveFiniteScalesAndAreNotTooMany) {
  Parameters parameters;
  parameters.loras.resize(2);
  parameters.loras[1].scale = 1e9;
  EXPECT_THAT(validate(parameters).message(),
              HasSubstr("--lcm-lora-scale 1000000000 is not possible"));
  parameters.loras = std::vector<Lora>(17);
  EXPECT_THAT(validate(parameters).message(), HasSubstr("17 LoRAs are too many"));
}

TEST(Parameters, EightBitsAreNotForFloat32) {
  Parameters parameters;
  parameters.fp8 = true;
  EXPECT_EQ(validate(parameters), Status());
  parameters.precision = Precision::kFp32;
  EXPECT_EQ(validate(parameters).message(),
            "--fp8 is not possible with --precision fp32: give fp16 or bf16, or leave one of the "
            "two out");
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
  const auto scheduler = [](std::string_view name) { return enum_from<SchedulerKind>(name); };
  EXPECT_EQ(scheduler("EulerDiscreteScheduler"), SchedulerKind::kEuler);
  EXPECT_EQ(scheduler("AnimateLCM_SVD"), SchedulerKind::kLcm);
  EXPECT_EQ(scheduler("LCM"), SchedulerKind::kLcm);
  EXPECT_FALSE(scheduler("ddim").has_value());
  EXPECT_EQ(to_string(SchedulerKind::kLcm), "lcm");
}

}  // namespace
}  // namespace mimicfleet::jobs
