#include "coordinator/client/planner.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/clip.h"
#include "tests/coordinator/client/planning.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Planning : public PlanningTest {
 protected:
  Planning() {
    put(folder_, "models/defaults.yaml",
        "steps: 8\ncrf: 20\nguidance_scale: 1.5\nnotice: a small set\n");
    put(folder_, "videos/a.mp4", "video a");
    put(folder_, "videos/b.mp4", "video b");
  }
};

TEST_F(Planning, NamesEveryInputByContentAndWhereItsOutputGoes) {
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->clips, SizeIs(2));
  const auto& clip = run->clips[0].plan;
  EXPECT_EQ(clip.video.path, std::filesystem::canonical(folder_ / "videos/a.mp4"));
  EXPECT_EQ(clip.video.digest, sha256("video a"));
  EXPECT_EQ(clip.video.size_bytes, 7U);
  EXPECT_EQ(clip.reference.digest, sha256("image"));
  EXPECT_EQ(clip.output.relative, "a");
  EXPECT_EQ(clip.output.nonce, "nonce");
  EXPECT_EQ(run->clips[0].reason, "not made yet");
  EXPECT_EQ(run->to_run(), 2U);
  EXPECT_EQ(run->notice, "a small set");
  EXPECT_FALSE(run->models.set.id.is_zero());
}

TEST_F(Planning, FilesOfOthersInThePlaceOfOutputsAreNamed) {
  put(folder_, "out/a.mp4", "somebody's");
  put(folder_, "out/b.json", "somebody's");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->clips, SizeIs(2));
  EXPECT_EQ(run->clips[0].foreign, std::vector<std::string>{"a.mp4"});
  EXPECT_EQ(run->clips[1].foreign, std::vector<std::string>{"b.json"});
  put(folder_, "out/_run/outputs.jsonl", "\"a\"\n");  // a run that was killed before the record
  EXPECT_TRUE(plan()->clips[0].foreign.empty());
}

TEST_F(Planning, NothingThatTheRunReadsIsWrittenOver) {
  put(folder_, "out/a.json", "[\"../videos/a.mp4\", \"../videos/b.mp4\"]");
  put(folder_, "out/b.json", "seed: 7\n");
  request_.paths = {folder_ / "out/a.json"};
  request_.config = folder_ / "out/b.json";
  request_.overwrite = true;
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->refused, SizeIs(2));
  EXPECT_THAT(
      run->refused[0].error.message(),
      HasSubstr(
          "out/a.json: a.json would be made over this manifest; choose another --output-dir"));
  EXPECT_THAT(run->refused[1].error.message(), HasSubstr("b.json would be made over this config"));
}

TEST_F(Planning, WhatStandsInThePlaceOfAnOutputIsToldBeforeTheRun) {
  put(folder_, "videos/c.mp4", "video c");
  put(folder_, "videos/sub/d.mp4", "video d");
  std::filesystem::create_directories(folder_ / "out/a.mp4");
  std::filesystem::create_directories(folder_ / "out/b.json");
  put(folder_, "out/_frames", "a file");
  put(folder_, "out/sub", "a file");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->refused, SizeIs(3));
  EXPECT_THAT(run->refused[0].error.message(),
              HasSubstr("out/a.mp4: is a folder, and a file of that name"));
  EXPECT_THAT(run->refused[1].error.message(), HasSubstr("out/b.json: is a folder"));
  EXPECT_THAT(run->refused[2].error.message(), HasSubstr("out/sub: is not a folder"));
  request_.save_frames = true;
  EXPECT_THAT(plan()->refused.at(2).error.message(), HasSubstr("out/_frames: is not a folder"));
  request_.save_frames = false;
  request_.mode = Mode::kEncode;
  std::filesystem::create_directories(folder_ / "out/_latents/c.safetensors");
  EXPECT_THAT(plan()->refused.at(2).error.message(),
              HasSubstr("_latents/c.safetensors: is a folder"));
}

TEST_F(Planning, ModelsAndConfigAreFoundInEitherSpellingAndToldOtherwise) {
  put_models(folder_, "mode\u0301ls/");
  put(folder_, "cafe\u0301.yaml", "seed: 7\n");
  request_.models = folder_ / "mod\u00e9ls";
  request_.config = folder_ / "caf\u00e9.yaml";
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->clips.at(0).plan.parameters.seed, 7U);
  request_.models = "~/models";
  EXPECT_THAT(error(), AllOf(HasSubstr("--models ~/models: no such folder"),
                             HasSubstr("~ stands for no folder")));
  request_.config = "~/c.yaml";
  EXPECT_THAT(error(), AllOf(HasSubstr("c.yaml"), HasSubstr("~ stands for no folder")));
}

TEST_F(Planning, AFlagBeatsManifestConfigDefaultsAndBuiltIn) {
  put(folder_, "c.yaml", "crf: 22\nseed: 5\nresolution: 128\n");
  put(folder_, "list.csv", "video,seed,resolution\nvideos/a.mp4,6,192\n");
  request_.config = folder_ / "c.yaml";
  request_.paths = {folder_ / "list.csv"};
  flag("resolution", "256");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  const auto& clip = run->clips.at(0).plan;
  EXPECT_EQ(clip.parameters.resolution, 256);
  EXPECT_EQ(clip.parameters.seed, 6U);
  EXPECT_EQ(clip.parameters.crf, 22);
  EXPECT_EQ(clip.parameters.steps, 8);
  EXPECT_EQ(clip.provenance.at("resolution"), "flag");
  EXPECT_EQ(clip.provenance.at("seed"), "manifest");
  EXPECT_EQ(clip.provenance.at("crf"), "config");
  EXPECT_EQ(clip.provenance.at("steps"), "defaults");
  EXPECT_EQ(clip.provenance.at("tile_frames"), "built-in");
}

TEST_F(Planning, LorasAreNamedByContentWhoeverNamesThem) {
  put(folder_, "models/loras/a.safetensors", "lora a");
  put(folder_, "own/b.safetensors", "lora b");
  put(folder_, "c.yaml",
      "lcm_lora_path: [loras/a.safetensors, own/b.safetensors]\nlcm_lora_scale: 0.5\n");
  request_.config = folder_ / "c.yaml";
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  const auto& parameters = run->clips.at(0).plan.parameters;
  ASSERT_THAT(parameters.loras, SizeIs(2));
  EXPECT_EQ(parameters.loras[0].file.path,
            std::filesystem::canonical(folder_ / "models/loras/a.safetensors"));
  EXPECT_EQ(parameters.loras[0].file.digest, sha256("lora a"));
  EXPECT_EQ(parameters.loras[1].file.digest, sha256("lora b"));
  EXPECT_EQ(parameters.loras[1].scale, 0.5);
  EXPECT_EQ(parameters.scheduler, jobs::SchedulerKind::kLcm);
  EXPECT_EQ(run->clips[0].plan.provenance.at("loras"), "config");
  EXPECT_EQ(run->clips[0].plan.provenance.at("scheduler"), "loras");

  put(folder_, "own/list.csv", "video,lcm_lora_path\n../videos/a.mp4,b.safetensors\n");
  request_.paths = {folder_ / "own/list.csv"};
  const auto listed = plan();
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(listed->clips.at(0).plan.parameters.loras, SizeIs(1));
  EXPECT_EQ(listed->clips[0].plan.parameters.loras[0].file.digest, sha256("lora b"));

  flag("lcm-lora-path", "none");
  flag("unet_overlay", folder_ / "own/b.safetensors");
  const auto overlaid = plan();
  ASSERT_TRUE(overlaid.ok()) << overlaid.status();
  EXPECT_THAT(overlaid->clips.at(0).plan.parameters.loras, SizeIs(0));
  EXPECT_EQ(overlaid->clips[0].plan.parameters.unet_overlay.value().digest, sha256("lora b"));
}

TEST_F(Planning, AListedPathThatIsWrittenForAnotherProgramIsToldWithItsLine) {
  put(folder_, "list.csv",
      "video;output\nvideos\\a.mp4;a\n~/b.mp4;b\n "
      "$HOME/b.mp4;c\n\"\"\"videos/a.mp4\"\"\";d\nvideos/gone.mp4;e\n");
  request_.paths = {folder_ / "list.csv"};
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->refused, SizeIs(5));
  const auto says = [&](std::size_t i, const std::string& cause) {
    EXPECT_THAT(run->refused[i].error.message(), HasSubstr(": there is no such file; " + cause));
  };
  const std::string list = folder_ / "list.csv";
  says(0, "the folders of a path are separated by / here, not by \\: write it so, as in " +
              (folder_ / "videos/a.mp4") + " (" + list + ": line 2)");
  says(1, "~ stands for no folder here: write ");
  says(2, "variables such as $HOME are not replaced here");
  says(3, "its quotes are taken as part of the name");
  says(4, "copy it there");
}

TEST_F(Planning, AnImageIsFoundInEitherSpellingAndOneThatIsNotThereIsExplained) {
  put(folder_, "cafe\u0301.png", "another image");
  request_.reference = folder_ / "caf\u00e9.png";
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->clips.at(0).plan.reference.digest, sha256("another image"));
  request_.reference = "~/gone.png";
  EXPECT_THAT(error(), AllOf(HasSubstr("no such reference image"),
                             HasSubstr("~ stands for no folder here")));
  request_.reference = folder_ / "gone\xff.png";
  EXPECT_THAT(error(), HasSubstr("gone\\xff.png: its name is not UTF-8; rename it"));
}

TEST_F(Planning, AVideoWhoseOutputsCannotBeNamedIsRefusedAlone) {
  put(folder_, "videos/" + std::string(250, 'n') + ".mp4", "long");  // NAME.json has 255 bytes
  put(folder_, "videos/" + std::string(251, 'm') + ".mp4", "longer");
  auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(3));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(run->refused[0].error.message(),
              AllOf(HasSubstr("its outputs cannot be named"),
                    HasSubstr("would have 256 bytes and may have 255"),
                    HasSubstr("shorten the video's name")));
  request_.save_latents = true;
  run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->refused, SizeIs(2));

  put(folder_, "list.csv", "video,output\nvideos/a.mp4," + std::string(256, 'x') + "/a\n");
  request_.paths = {folder_ / "list.csv"};
  run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->refused, SizeIs(1));
  std::string deep = "a";
  for (int i = 0; i < 21; ++i) deep += "/" + std::string(200, 'd');
  put(folder_, "list.csv", "video,output\nvideos/a.mp4," + deep + "\n");
  run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(run->refused[0].error.message(), HasSubstr("may have 4095"));
}

TEST_F(Planning, ANameThatIsNotUtf8CostsItsVideoAlone) {
  put(folder_, "videos/c\xff.mp4", "video c");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(2));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_EQ(run->refused[0].relative, "c\\xff");
}

TEST_F(Planning, NoVideoIsMadeOverADrivingVideo) {
  request_.paths = {folder_ / "videos/a.mp4", folder_ / "videos/b.mp4"};
  put(folder_, "out/b.mp4", "a driving video, too");
  request_.paths.push_back(folder_ / "out/b.mp4");
  put(folder_, "list.csv", "video,output\nvideos/a.mp4,b\nout/b.mp4,c\n");
  request_.paths = {folder_ / "list.csv"};
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(1));
  ASSERT_THAT(run->refused, SizeIs(1));
  EXPECT_THAT(
      run->refused[0].error.message(),
      HasSubstr(
          "out/b.mp4: b.mp4 would be made over this driving video; choose another --output-dir"));
}

TEST_F(Planning, VideosOfOursAreLeftOutAndTold) {
  put(folder_, "videos/old.mp4", "made");
  put(folder_, "videos/old.json", R"({"program": "mimicfleet 0.1.0", "key": "00"})");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(2));
  EXPECT_THAT(run->left_out, ::testing::ElementsAre(HasSubstr("1 video below")));
}

TEST_F(Planning, ALoraThatIsNotThereStopsEverythingBeforeItRuns) {
  flag("lcm-lora-path", "nowhere.safetensors");
  EXPECT_THAT(error(),
              AllOf(HasSubstr("--lcm-lora-path nowhere.safetensors: no such file or folder"),
                    HasSubstr(folder_ / "models")));
}

TEST_F(Planning, LorasAndOverlaysThatCannotWorkStopEverythingBeforeItRuns) {
  const auto cause = [&] {
    auto planner = Planner::prepare(request_, nullptr);
    FileDigestCache cache;
    return planner.ok() ? planner->check_files(cache).message() : planner.status().message();
  };
  put(folder_, "lora.safetensors", fake_lora());
  put(folder_, "unfit.safetensors", "version https://git-lfs.github.com/spec/v1");
  put(folder_, "list.csv",
      "video,ref_image,lcm_lora_path\nvideos/a.mp4,ref.png,lora.safetensors\n"
      "videos/b.mp4,ref.png,unfit.safetensors\n");
  request_.paths = {folder_ / "list.csv"};
  request_.reference = "";
  EXPECT_THAT(cause(), HasSubstr("unfit.safetensors: is a Git LFS pointer"));
  flag("lcm-lora-path", folder_ / "lora.safetensors");
  EXPECT_EQ(cause(), "");
  flag("unet_overlay", folder_ / "lora.safetensors");
  EXPECT_THAT(cause(), HasSubstr("lora.safetensors: is a LoRA and no whole UNet"));
}

TEST_F(Planning, EveryVariantIsMadeOfEveryClipBelowAFolderOfItsName) {
  request_.variants.resize(2);
  request_.variants[0] = {"slow", {"variant", {{find_setting("steps"), "9", "steps"}}}};
  request_.variants[1] = {"fast", {"variant", {{find_setting("steps"), "3", "steps"}}}};
  flag("steps", "5");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_THAT(run->clips, SizeIs(4));
  EXPECT_EQ(run->clips[1].plan.output.relative, "slow/b");
  EXPECT_EQ(run->clips[1].plan.parameters.steps, 9);
  EXPECT_EQ(run->clips[2].plan.output.relative, "fast/a");
  EXPECT_EQ(run->clips[2].plan.parameters.steps, 3);
  EXPECT_EQ(run->clips[2].plan.provenance.at("steps"), "variant");
}

TEST_F(Planning, WithoutPathsTheConfigsFolderOrCasesAreTheInputs) {
  request_.paths.clear();
  request_.reference.clear();
  request_.config = folder_ / "c.yaml";
  put(folder_, "c.yaml",
      "test_case:\n- ref_video_path: videos/b.mp4\n  ref_image_path: ref.png\n- ref_video_path: "
      "videos/a.mp4\n"
      "  ref_image_path: ref.png\n  seed: 9\n");
  const auto cases = plan();
  ASSERT_TRUE(cases.ok()) << cases.status();
  ASSERT_THAT(cases->clips, SizeIs(2));
  EXPECT_EQ(cases->clips[0].plan.output.relative, "b");
  EXPECT_EQ(cases->clips[0].plan.parameters.seed, 42U);
  EXPECT_EQ(cases->clips[1].plan.parameters.seed, 9U);
  put(folder_, "c.yaml", "batch:\n  video_folder: videos\ntest_case:\n- ref_image_path: ref.png\n");
  EXPECT_THAT(plan()->clips, SizeIs(2));
  put(folder_, "c.yaml", "seed: 1\n");
  EXPECT_THAT(error(), HasSubstr("nothing to do: give a folder, videos or a manifest"));
}

TEST_F(Planning, AMissingReferenceImageStopsEverythingBeforeItRuns) {
  request_.reference = folder_ / "nobody.png";
  EXPECT_EQ(error(),
            folder_ / "nobody.png" + ": no such reference image; give one with --ref-image FILE");
  request_.reference.clear();
  EXPECT_THAT(error(), AllOf(HasSubstr("videos/a.mp4: no reference image for it"),
                             HasSubstr("--ref-image FILE")));
}

TEST_F(Planning, AnUnusableInputFailsAloneAndTheOthersArePlanned) {
  put(folder_, "videos/c.mp4", "");
  std::filesystem::create_symlink(folder_ / "nowhere", folder_ / "videos/d.mp4");
  put(folder_, "list.csv", "video,ref_image\nvideos/a.mp4,ref.png\nvideos/b.mp4,gone.png\n");
  const auto run = plan();
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_THAT(run->clips, SizeIs(2));
  ASSERT_THAT(run->refused, SizeIs(2));
  EXPECT_EQ(run->refused[0].relative, "c");
  EXPECT_THAT(run->refused[0].error.message(), HasSubstr("videos/c.mp4: is empty (0 bytes)"));
  EXPECT_THAT(run->refused[1].error.message(), HasSubstr("videos/d.mp4: "));
  request_.paths = {folder_ / "list.csv"};
  request_.reference.clear();
  const auto listed = plan();
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->clips, SizeIs(1));
  EXPECT_THAT(listed->refused.at(0).error.message(), HasSubstr("gone.png"));
}

TEST_F(Planning, BadSettingsAreToldBeforeModelsAreRead) {
  std::filesystem::resize_file(folder_ / "models/svd/vae/config.json", 1);
  put(folder_, "models/svd/vae/config.json", "{}");
  flag("steps", "0");
  EXPECT_EQ(error(), "--steps 0 is not possible: it must be 1 to 1000");
}

TEST_F(Planning, AnUnknownKeyInDefaultsIsAnError) {
  put(folder_, "models/defaults.yaml", "stepz: 8\n");
  EXPECT_EQ(error(), "defaults.yaml: unknown key 'stepz'; did you mean 'steps'?");
}

TEST_F(Planning, AMissingModelFileIsNamed) {
  std::filesystem::remove(folder_ / "models/DWPose/yolox_l.onnx");
  EXPECT_THAT(error(), HasSubstr("yolox_l.onnx: is not there; expected DWPose's person detector"));
}

TEST_F(Planning, EstimatesFromTheClipsThatAreThere) {
  RunPlan run;
  EXPECT_EQ(run.seconds_per_clip(), std::nullopt);
  run.clips.push_back({clip_in("/out"), "", 4});
  run.clips.push_back({clip_in("/out"), "not made yet", 0});
  run.clips.push_back({clip_in("/out"), "", 8});
  EXPECT_EQ(run.seconds_per_clip(), 6);
}

}  // namespace
}  // namespace mimicfleet::coordinator
