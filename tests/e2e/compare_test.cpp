// The quality gate with real workers.
#include <gmock/gmock.h>

#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class Compare : public FleetTest {
 protected:
  Words compare(Words more) const {
    Words words = {"compare",
                   clips_,
                   "--config",
                   pack() / "config.yaml",
                   "--ref-image",
                   pack() / "ref.png",
                   "--precision",
                   "fp32",
                   "--output-dir",
                   scratch_ / "out",
                   "--server",
                   "embedded",
                   "--device",
                   "cpu",
                   "--threads",
                   "1",
                   "--feature-cache-dir",
                   scratch_ / "cache"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(Compare, HoldsFewStepsWithALoraAgainstManyWithGuidance) {
  make_clips({"a.mp4", "b.mp4", "c.mp4"});
  const Words variants = {
      "--clips",          "2",        "--steps",           "3",
      "--steps",          "2",        "--guidance-scale",  "2",
      "--guidance-scale", "1",        "--lcm-lora-path",   "none",
      "--lcm-lora-path",  "lcm_lora", "--lcm_weight_name", "lora_peft.safetensors"};
  const auto shown_as = [&](const std::string& mode, const Words& more) {
    Words words = variants;
    words.insert(words.end(), {"--output-mode", mode});
    words.insert(words.end(), more.begin(), more.end());
    return coordinator(compare(words));
  };
  const Outcome outcome = shown_as("json", {});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json report = Json::parse(outcome.out);
  const Json& full = report["variants"][0];
  const Json& fast = report["variants"][1];
  EXPECT_EQ(full["scheduler"], "euler");
  EXPECT_EQ(full["unet_evaluations_per_tile"], 6);
  EXPECT_EQ(full["psnr_db"], 100);
  EXPECT_EQ(fast["scheduler"], "lcm");
  EXPECT_EQ(fast["unet_evaluations_per_tile"], 2);
  EXPECT_EQ(fast["adapted_by"], Json::parse(R"(["lora_peft.safetensors"])"));
  EXPECT_LT(fast["psnr_db"], 100);
  EXPECT_GT(fast["sampling_ratio"], 0);
  ASSERT_EQ(fast["clips"].size(), 2U);
  EXPECT_EQ(report["side_by_side"].size(), 2U);
  for (const auto& film : report["side_by_side"])
    EXPECT_TRUE(fs::exists(scratch_ / "out" / film)) << film;

  const std::string video = fast["clips"][0]["video"];
  const Json record = Json::parse(bytes((scratch_ / "out" / video).replace_extension(".json")));
  EXPECT_EQ(record["parameters"]["loras"].size(), 1U);
  EXPECT_EQ(record["provenance"]["loras"], "variant");
  EXPECT_EQ(record["provenance"]["scheduler"], "loras");
  EXPECT_EQ(record["unet_evaluations"], 2 * record["tiles"].get<int>());

  // The videos are there: only the gate is new.
  const Outcome gated = shown_as("json", {"--min-psnr", "99"});
  EXPECT_EQ(gated.exit_code, 1) << gated.err;
  EXPECT_FALSE(Json::parse(gated.out)["variants"][1]["passed"]);
  const Outcome shown = shown_as("human", {"--min-psnr", "0"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("UNET/TILE"));
  EXPECT_THAT(shown.out, HasSubstr("side by side  "));
}

TEST_F(Compare, GuidanceInAShareOfTheStepsSavesRunsOfTheUnetAndIsNotMadeTwice) {
  make_clips({"a.mp4"});
  const Words variants = {
      "--steps", "4", "--guidance-scale", "2", "--guidance-interval", "0:1", "--guidance-interval",
      "0.2:0.8"};
  Words words = variants;
  words.insert(words.end(), {"--output-mode", "json"});
  const Outcome outcome = coordinator(compare(words));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json report = Json::parse(outcome.out);
  const Json& everywhere = report["variants"][0];
  const Json& within = report["variants"][1];
  EXPECT_EQ(everywhere["name"], "guidance-interval=0-1");
  EXPECT_EQ(everywhere["guidance_interval"], "0:1");
  EXPECT_EQ(everywhere["unet_evaluations_per_tile"], 8);
  EXPECT_EQ(within["guidance_interval"], "0.2:0.8");
  EXPECT_EQ(within["unet_evaluations_per_tile"], 6);
  EXPECT_LT(within["psnr_db"], 100);
  const std::string video = within["clips"][0]["video"];
  const Json record = Json::parse(bytes((scratch_ / "out" / video).replace_extension(".json")));
  EXPECT_EQ(record["parameters"]["guidance_interval"],
            Json::parse(R"({"begin": 0.2, "end": 0.8})"));
  EXPECT_EQ(record["provenance"]["guidance_interval"], "variant");
  EXPECT_EQ(record["unet_evaluations"], 6 * record["tiles"].get<int>());

  const Outcome again = coordinator(compare(variants));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("2 in 0.2:0.8"));
  EXPECT_EQ(Json::parse(bytes((scratch_ / "out" / video).replace_extension(".json"))), record);
  // Guidance everywhere is what there is without the flag: to the byte, and under the same key.
  const Outcome plain =
      coordinator(submit(clips_, scratch_ / "plain", {"--steps", "4", "--guidance-scale", "2"}));
  ASSERT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(bytes(scratch_ / "plain/a.mp4"), bytes(scratch_ / "out/guidance-interval=0-1/a.mp4"));
  EXPECT_EQ(Json::parse(bytes(scratch_ / "plain/a.json"))["key"],
            Json::parse(bytes(scratch_ / "out/guidance-interval=0-1/a.json"))["key"]);
}

TEST_F(Compare, AnOverlayGivenAsALoraIsUsedAndTheRecordSaysSo) {
  make_clips({"a.mp4"});
  const auto overlay = pack() / "models/AnimateLCM-SVD-xt-1.1.safetensors";
  const auto run = [&](const std::string& flag, const std::string& folder) {
    return coordinator(submit(clips_, scratch_ / folder, {flag, overlay, "--guidance-scale", "1"}));
  };
  const Outcome as_lora = run("--lcm-lora-path", "as_lora");
  ASSERT_EQ(as_lora.exit_code, 0) << as_lora.err;
  EXPECT_THAT(as_lora.out, HasSubstr("is a whole UNet and no LoRA; it was used as --unet-overlay"));
  const Outcome as_overlay = run("--unet_overlay", "as_overlay");
  ASSERT_EQ(as_overlay.exit_code, 0) << as_overlay.err;
  EXPECT_EQ(bytes(scratch_ / "as_lora/a.mp4"), bytes(scratch_ / "as_overlay/a.mp4"));
}

}  // namespace
}  // namespace mimicfleet::e2e
