#include "coordinator/config/settings.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/codec.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

SettingLayer layer(std::string source, std::vector<std::pair<std::string, std::string>> values) {
  SettingLayer layer{std::move(source), {}};
  for (auto& [name, text] : values) {
    const Setting* setting = find_setting(name);
    CHECK(setting != nullptr);
    layer.values.push_back({setting, text, "--" + name});
  }
  return layer;
}

Result<ResolvedSettings> resolve(std::string name, std::string text) {
  return resolve_settings(std::vector{layer("flag", {{std::move(name), std::move(text)}})});
}

TEST(Settings, EveryMemberOfTheParametersThatUsersSetIsInTheTable) {
  const wire::Value value = wire::to_value(jobs::Parameters());
  for (const auto& [name, unused] : *value.get_if<wire::Map>()) {
    // A size is part of `resolution`; which frames are dropped belongs to joining clips.
    if (name == "width" || name == "height" || name == "drop_reference") continue;
    const Setting* setting = find_setting(name);
    ASSERT_NE(setting, nullptr) << name;
    EXPECT_EQ(setting->name, name);
  }
}

TEST(Settings, AreFoundByEverySpelling) {
  EXPECT_EQ(find_setting("num-inference-steps"), find_setting("steps"));
  EXPECT_EQ(find_setting("num_inference_steps"), find_setting("steps"));
  EXPECT_EQ(find_setting("num_frames"), find_setting("tile_frames"));
  EXPECT_EQ(find_setting("frames_overlap"), find_setting("tile-overlap"));
  EXPECT_EQ(find_setting("elephant"), nullptr);
}

TEST(Settings, ALaterLayerWinsAndTheResultSaysWhereEachValueCameFrom) {
  const auto resolved = resolve_settings(std::vector{
      layer("defaults", {{"steps", "8"}, {"crf", "20"}, {"seed", "1"}}),
      layer("config", {{"steps", "12"}, {"crf", "22"}}), layer("flag", {{"steps", "4"}})});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->parameters.steps, 4);
  EXPECT_EQ(resolved->parameters.crf, 22);
  EXPECT_EQ(resolved->parameters.seed, 1U);
  EXPECT_EQ(resolved->provenance.at("steps"), "flag");
  EXPECT_EQ(resolved->provenance.at("crf"), "config");
  EXPECT_EQ(resolved->provenance.at("seed"), "defaults");
  EXPECT_EQ(resolved->provenance.at("guidance_scale"), "built-in");
  EXPECT_EQ(resolved->provenance.size(), settings().size());
}

TEST(Settings, ValuesMayBeSpelledAsThePythonScriptsDo) {
  EXPECT_EQ(resolve("scheduler", "EulerDiscreteScheduler")->parameters.scheduler,
            jobs::SchedulerKind::kEuler);
  EXPECT_EQ(resolve("scheduler", "AnimateLCM_SVD")->parameters.scheduler,
            jobs::SchedulerKind::kLcm);
  EXPECT_EQ(resolve("fps", "source")->parameters.fps, 0);
  EXPECT_EQ(resolve("resolution", "576x1024")->parameters.height, 1024);
}

TEST(Settings, TheConstantsOfTheLcmSchedulerAreTheScripts) {
  const auto resolved =
      resolve_settings(std::vector{layer("flag", {{"scheduler", "AnimateLCM_SVD"},
                                                  {"lcm_num_train_timesteps", "50"},
                                                  {"num_inference_steps", "50"},
                                                  {"scheduler_sigma_min", "0.01"},
                                                  {"scheduler_sigma_max", "80"},
                                                  {"scheduler_sigma_data", "0.5"},
                                                  {"scheduler_s_noise", "1.01"},
                                                  {"scheduler_rho", "6"},
                                                  {"scheduler_clip_denoised", "true"}})});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->parameters.lcm, (jobs::LcmConstants{50, 0.01, 80, 0.5, 1.01, 6, true}));
  EXPECT_EQ(resolve("scheduler_sigma_max", "much").status().message(),
            "--scheduler_sigma_max: 'much' is not a number");
  EXPECT_THAT(resolve("scheduler-rho", "0").status().message(),
              StartsWith("--scheduler-rho 0 is not possible"));
}

TEST(Settings, AValueThatIsNoneNamesPlaceAndWhatIsPossible) {
  EXPECT_EQ(resolve("steps", "4.5").status().message(), "--steps: '4.5' is not a whole number");
  EXPECT_EQ(resolve("seed", "-1").status().message(),
            "--seed: '-1' is not a whole number of 0 or more");
  EXPECT_EQ(resolve("guidance-scale", "").status().message(),
            "--guidance-scale: '' is not a number");
  EXPECT_EQ(resolve("scheduler", "ddim").status().message(),
            "--scheduler: 'ddim' is not euler or lcm");
  EXPECT_EQ(resolve("precision", "int8").status().message(),
            "--precision: 'int8' is not auto, fp32, bf16 or fp16");
  EXPECT_EQ(
      resolve("resolution", "576x").status().message(),
      "--resolution: '576x' is not a number of pixels such as 576, nor a size such as 576x1024");
  EXPECT_EQ(resolve("guidance-scale", "1,5").status().message(),
            "--guidance-scale: '1,5' is not a number: write 1.5, with a decimal point instead of "
            "the comma");
  EXPECT_THAT(resolve("fps", "12,5").status().message(), HasSubstr("write 12.5"));
  EXPECT_EQ(resolve("guidance-scale", "1,2,3").status().message(),
            "--guidance-scale: '1,2,3' is not a number");
  EXPECT_EQ(resolve("fps", "0").status().message(),
            "--fps: '0' is not a number above 0, nor 'source'");
}

TEST(Settings, AGuidanceIntervalIsTwoSharesOfTheSteps) {
  EXPECT_EQ(resolve("guidance-interval", "0.2:0.8")->parameters.guidance_interval,
            (jobs::GuidanceInterval{0.2, 0.8}));
  EXPECT_EQ(resolve("guidance_interval", "0:1")->parameters.guidance_interval,
            jobs::GuidanceInterval());
  for (const char* text : {"", ":", "0.5", "0.2:", ":0.8", "0.2:0.8:1", "a:b", "0.2-0.8"}) {
    EXPECT_EQ(
        resolve("guidance-interval", text).status().message(),
        fmt::format("--guidance-interval: '{}' is not two shares of the steps such as 0.2:0.8",
                    text));
  }
  EXPECT_EQ(resolve_settings(std::vector{layer("config", {{"guidance_interval", "0.8:0.2"}})})
                .status()
                .message(),
            "--guidance-interval 0.8:0.2 is not possible: it must be A:B with 0 <= A < B <= 1, "
            "such as 0.2:0.8 "
            "(set "
            "by the config)");
}

TEST(Settings, ASwitchMayBeInAFileWithItsValue) {
  EXPECT_TRUE(resolve("fp8", "true")->parameters.fp8);
  EXPECT_FALSE(resolve("fp8", "False")->parameters.fp8);
  EXPECT_EQ(resolve("fp8", "1").status().message(), "--fp8: '1' is not true or false");
}

TEST(Settings, NoStepsAreAnError) {
  EXPECT_EQ(resolve("steps", "0").status().message(),
            "--steps 0 is not possible: it must be 1 to 1000");
  EXPECT_EQ(resolve_settings(std::vector{layer("config", {{"steps", "0"}})}).status().message(),
            "--steps 0 is not possible: it must be 1 to 1000 (set by the config)");
}

TEST(Settings, AResolutionThatTheModelsDoNotAcceptIsAnErrorWithOneThatTheyDo) {
  EXPECT_EQ(
      resolve("resolution", "500").status().message(),
      "--resolution 500 is not accepted by the models: it must be a multiple of 64, such as 512");
  EXPECT_THAT(resolve("resolution", "576x1000").status().message(),
              StartsWith("--resolution: height 1000"));
}

TEST(Settings, ALoraOrAnOverlayBringsTheLcmSchedulerUnlessSomebodySaysOtherwise) {
  using jobs::SchedulerKind;
  const auto with = [](std::vector<std::pair<std::string, std::string>> flags) {
    const auto resolved = resolve_settings(
        std::vector{layer("defaults", {{"scheduler", "euler"}}), layer("flag", flags)});
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    return resolved->parameters.scheduler;
  };
  EXPECT_EQ(with({}), SchedulerKind::kEuler);
  EXPECT_EQ(with({{"lcm_lora_path", "a"}}), SchedulerKind::kLcm);
  EXPECT_EQ(with({{"unet-overlay", "a"}}), SchedulerKind::kLcm);
  EXPECT_EQ(with({{"lcm-lora-path", "a"}, {"skip-lcm-scheduler", "true"}}), SchedulerKind::kEuler);
  EXPECT_EQ(with({{"lcm-lora-path", "a"}, {"skip_lcm_scheduler", "False"}}), SchedulerKind::kLcm);
  EXPECT_EQ(with({{"lcm-lora-path", "a"}, {"scheduler", "euler"}}), SchedulerKind::kEuler);
  EXPECT_EQ(with({{"lcm-lora-path", "none"}}), SchedulerKind::kEuler);
  const auto resolved = resolve_settings(std::vector{layer("config", {{"unet_overlay", "a"}})});
  EXPECT_EQ(resolved->provenance.at("scheduler"), "unet_overlay");
}

TEST(Settings, AListOfOneLayerIsNotMixedWithThatOfAnother) {
  const auto resolved = resolve_settings(std::vector{
      layer("config", {{"lcm_lora_path", "a"}, {"lcm_lora_path", "b"}, {"lcm_lora_scale", "0.5"}}),
      layer("flag", {{"lcm-lora-path", "c"}, {"lcm-lora-path", "d"}})});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_THAT(resolved->texts.at("loras"), ElementsAre("c", "d"));
  EXPECT_THAT(resolved->texts.at("lcm_lora_scale"), ElementsAre("0.5"));
  EXPECT_EQ(resolved->provenance.at("loras"), "flag");
  EXPECT_EQ(resolved->provenance.at("lcm_lora_scale"), "config");
}

TEST(Settings, WhatNoLoraCanBeIsToldAtItsPlace) {
  EXPECT_EQ(resolve("lcm-lora-path", "").status().message(), "--lcm-lora-path: '' is not a path");
  EXPECT_EQ(resolve("lcm_lora_scale", "much").status().message(),
            "--lcm_lora_scale: 'much' is not a number");
  EXPECT_EQ(resolve("skip-lcm-scheduler", "perhaps").status().message(),
            "--skip-lcm-scheduler: 'perhaps' is not true or false");
  EXPECT_EQ(resolve("lcm-weight-name", "../a").status().message(),
            "--lcm-weight-name: '../a' is not the name of a file in the LoRA's folder");
}

TEST(Settings, DefaultsOfAModelRootAreALayer) {
  const auto found =
      defaults_layer({{"steps", "8"}, {"pose_canvas", "512"}, {"notice", "small models"}});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(resolve_settings(std::vector{*found})->parameters.pose_canvas, 512);
  EXPECT_EQ(defaults_layer({{"stesp", "8"}}).status().message(),
            "defaults.yaml: unknown key 'stesp'; did you mean 'steps'?");
}

}  // namespace
}  // namespace mimicfleet::coordinator
