#include "coordinator/config/presets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mimicfleet::coordinator {
namespace {

SettingLayer layer(std::string source, std::vector<std::pair<std::string, std::string>> values) {
  SettingLayer layer{std::move(source), {}};
  for (auto& [name, text] : values) layer.values.push_back({find_setting(name), text, "--" + name});
  return layer;
}

TEST(Presets, EachIsPossibleAsItIs) {
  for (const auto& preset : presets()) {
    SCOPED_TRACE(preset.name);
    const auto values = preset_layer(preset.name);
    ASSERT_TRUE(values.ok()) << values.status();
    ASSERT_FALSE(values->values.empty());
    for (const auto& value : values->values) ASSERT_NE(value.setting, nullptr);
    const auto resolved = resolve_settings(std::vector{*values});
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_EQ(resolved->provenance.at("steps"), "preset " + std::string(preset.name));
  }
}

TEST(Presets, WinOverFilesAndLoseToFlags) {
  const auto turbo = preset_layer("turbo");
  ASSERT_TRUE(turbo.ok());
  const auto resolved = resolve_settings(
      std::vector{layer("config", {{"steps", "30"}, {"guidance_scale", "3"}, {"seed", "7"}}),
                  *turbo, layer("flag", {{"guidance_scale", "1.5"}})});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->parameters.steps, 4);
  EXPECT_EQ(resolved->parameters.scheduler, jobs::SchedulerKind::kLcm);
  EXPECT_EQ(resolved->parameters.guidance_scale, 1.5);
  EXPECT_EQ(resolved->parameters.seed, 7U);
  EXPECT_EQ(resolved->provenance.at("guidance_scale"), "flag");
}

TEST(Presets, QualityIsWithoutTheLoraOfTheModels) {
  const auto quality = preset_layer("quality");
  ASSERT_TRUE(quality.ok());
  const auto own = layer("defaults", {{"lora", "lcm_lora"}, {"steps", "4"}});
  const auto resolved = resolve_settings(std::vector{own, *quality});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->parameters.scheduler, jobs::SchedulerKind::kEuler);
  EXPECT_EQ(resolved->texts.at("loras").back(), kNoFile);
  const auto with_lora = resolve_settings(std::vector{*quality, layer("flag", {{"lora", "mine"}})});
  ASSERT_TRUE(with_lora.ok()) << with_lora.status();
  EXPECT_EQ(with_lora->parameters.scheduler, jobs::SchedulerKind::kLcm)
      << "a LoRA brings its scheduler";
}

TEST(Presets, OneThatIsNotThereIsAnsweredWithThoseThatAre) {
  EXPECT_EQ(preset_layer("fast").status().message(),
            "--preset fast: choose quality, turbo or preview");
  EXPECT_TRUE(preset_layer("")->values.empty());
}

}  // namespace
}  // namespace mimicfleet::coordinator
