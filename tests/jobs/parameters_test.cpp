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
