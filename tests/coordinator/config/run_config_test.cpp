#include "coordinator/config/run_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string error_of(std::string_view text) {
  const auto parsed = parse_run_config(text, "c.yaml");
  return parsed.ok() ? "" : parsed.status().message();
}

TEST(RunConfig, ReadsTheSchemaOfTheOriginal) {
  const auto run = read_run_config(source_path("tests/goldens/pack_a/config.yaml"));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->base_model_path, "models/svd");
  EXPECT_EQ(run->ckpt_path, "models/MimicMotion_1-1.pth");
  EXPECT_EQ(run->video_folder, "videos");
  ASSERT_THAT(run->cases, SizeIs(1));
  EXPECT_EQ(run->cases[0].video, "videos/a.mp4");
  EXPECT_EQ(run->cases[0].reference, "ref.png");
  const auto resolved = resolve_settings(std::vector{run->layer(0)});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->parameters.tile_frames, 8);
  EXPECT_EQ(resolved->parameters.resolution, 128);
  EXPECT_EQ(resolved->parameters.tile_overlap, 3);
  EXPECT_EQ(resolved->parameters.steps, 25);
  EXPECT_EQ(resolved->parameters.fps, 15);
  EXPECT_EQ(resolved->parameters.seed, 42U);
  EXPECT_EQ(resolved->provenance.at("tile_frames"), "config");
  EXPECT_EQ(resolved->provenance.at("crf"), "built-in");
}

TEST(RunConfig, SeveralLorasAreAListAndThoseOfACaseReplaceThoseAtTheTop) {
  const auto run = parse_run_config(
      "lcm_lora_path: [a, b]\nlcm_lora_scale: 0.5\ntest_case:\n- lcm_lora_path:\n  - c\n  - d\n- "
      "seed: 1\n",
      "c.yaml");
  ASSERT_TRUE(run.ok()) << run.status();
  const auto own = resolve_settings(std::vector{run->layer(0)});
  EXPECT_THAT(own->texts.at("loras"), ElementsAre("c", "d"));
  EXPECT_THAT(own->texts.at("lcm_lora_scale"), ElementsAre("0.5"));
  EXPECT_THAT(resolve_settings(std::vector{run->layer(1)})->texts.at("loras"),
              ElementsAre("a", "b"));
  EXPECT_EQ(error_of("seed: [1, 2]"), "c.yaml: line 1: seed must be one value");
}

TEST(RunConfig, SettingsOfACaseWinOverThoseAtTheTop) {
  const auto run = parse_run_config("seed: 1\ncrf: 20\ntest_case:\n- seed: 2\n-\n", "c.yaml");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(resolve_settings(std::vector{run->layer(0)})->parameters.seed, 2U);
  EXPECT_EQ(resolve_settings(std::vector{run->layer(0)})->parameters.crf, 20);
  EXPECT_EQ(resolve_settings(std::vector{run->layer(1)})->parameters.seed, 1U);
}

TEST(RunConfig, AnUnknownKeyIsAnErrorWithTheNearestKnownOne) {
  EXPECT_EQ(error_of("test_case:\n- ref_video_path: a.mp4\n  num_frmaes: 8\n"),
            "c.yaml: line 3: unknown key 'num_frmaes' in test_case[0]; did you mean 'num_frames'?");
  EXPECT_EQ(error_of("base_model: x\n"),
            "c.yaml: line 1: unknown key 'base_model'; did you mean 'base_model_path'?");
  EXPECT_EQ(error_of("batch:\n  vidoe_folder: x\n"),
            "c.yaml: line 2: unknown key 'vidoe_folder' in batch; did you mean 'video_folder'?");
  EXPECT_EQ(error_of("batch:\n  seed: 1\n"),
            "c.yaml: line 2: unknown key 'seed' in batch; known are video_folder");
}

TEST(RunConfig, AKeyInTheWrongPlaceIsToldWhereItBelongs) {
  EXPECT_EQ(
      error_of("ref_image_path: a.png\n"),
      "c.yaml: line 1: key 'ref_image_path' does not belong at the top: it stands in test_case (`- "
      "ref_image_path: …`)");
  EXPECT_EQ(
      error_of("test_case:\n- video_folder: x\n"),
      "c.yaml: line 2: key 'video_folder' does not belong in test_case[0]: it stands in batch");
  EXPECT_EQ(error_of("batch:\n  ckpt_path: x\n"),
            "c.yaml: line 2: key 'ckpt_path' does not belong in batch: it stands at the top");
}

TEST(RunConfig, AValueOfTheWrongShapeOrKindNamesItsLine) {
  EXPECT_EQ(error_of("test_case: 5\n"),
            "c.yaml: line 1: test_case must be a list (`- ref_video_path: …`)");
  EXPECT_EQ(error_of("seed: [1]\n"), "c.yaml: line 1: seed must be one value");
  EXPECT_EQ(error_of("ckpt_path: {a: b}\n"), "c.yaml: line 1: ckpt_path must be one text");
  EXPECT_EQ(error_of("- a\n"), "c.yaml: line 1: expected `key: value` lines");
  const auto run = parse_run_config("seed: 1\nsteps: many\n", "c.yaml");
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(resolve_settings(std::vector{run->layer(0)}).status().message(),
            "c.yaml: line 2: steps: 'many' is not a whole number");
}

TEST(RunConfig, EmptyValuesSetNothing) {
  const auto run = parse_run_config("base_model_path:\nseed:\nbatch:\ntest_case:\n", "c.yaml");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->base_model_path, "");
  EXPECT_THAT(run->values, SizeIs(0));
  EXPECT_TRUE(parse_run_config("", "c.yaml").ok());
}

TEST(RunConfig, AFileThatIsNotThereOrTooLargeIsNamed) {
  EXPECT_THAT(read_run_config("/nowhere/c.yaml").status().message(), HasSubstr("/nowhere/c.yaml"));
  EXPECT_EQ(error_of(std::string((1 << 20) + 1, '#')), "c.yaml: is larger than 1048576 bytes");
}

}  // namespace
}  // namespace mimicfleet::coordinator
