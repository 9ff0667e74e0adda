#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "common/json/json.h"
#include "tests/coordinator/cli/cli_test_base.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Usage : public CommandLine {
 protected:
  // What stderr says of a command line that must end with `code`.
  std::string error(const Words& words, int code = 2) {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.exit_code, code) << outcome.out << outcome.err;
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  }
};

TEST_F(Usage, HelpNamesCommandsFlagsAndExamples) {
  const auto top = run({"--help"});
  EXPECT_EQ(top.exit_code, 0);
  EXPECT_THAT(top.out, AllOf(HasSubstr("submit"), HasSubstr("verify"), HasSubstr("examples:")));
  const auto submit = run({"submit", "--help"});
  EXPECT_EQ(submit.exit_code, 0);
  EXPECT_THAT(submit.out, AllOf(HasSubstr("--num-frames"), HasSubstr("default 16"),
                                HasSubstr("examples:"), Not(HasSubstr("{false}"))));
}

TEST_F(Usage, AnUnknownFlagOrCommandIsAnsweredWithTheNearestKnownOne) {
  EXPECT_EQ(error({"submit", "--stpes", "4"}),
            "error: unknown flag --stpes of `coordinator submit`; did you mean '--steps'?\n");
  EXPECT_EQ(
      error({"submit", "videos", "--num_frmaes=8"}),
      "error: unknown flag --num-frmaes of `coordinator submit`; did you mean '--num-frames'?\n");
  EXPECT_EQ(error({"sumbit"}),
            "error: unknown command 'sumbit' of `coordinator`; did you mean 'submit'?\n");
  EXPECT_EQ(error({"job", "lst"}),
            "error: unknown command 'lst' of `coordinator job`; did you mean 'list'?\n");
}

TEST_F(Usage, ANumberThatIsNoneAndAMissingCommandAreTold) {
  EXPECT_EQ(error(submit({"--limit", "-1"})),
            "error: --limit: '-1' is not a whole number of 1 or more\n");
  EXPECT_EQ(error(submit({"--threads", "many"})),
            "error: --threads: 'many' is not a whole number of 1 to 1024\n");
  EXPECT_EQ(error({"serve", "--max-attempts", "0"}),
            "error: --max-attempts: '0' is not a whole number of 1 or more\n");
  EXPECT_EQ(error({"task"}), "error: `coordinator task` needs a command: list, explain\n");
  EXPECT_THAT(error({"verify"}), StartsWith("error: `coordinator verify`: DIR is required"));
}

TEST_F(Usage, AServersConfigFileIsToldByFileLineAndKey) {
  const std::string file = folder_ / "coordinator.toml";
  std::ofstream(file) << "metrics = \"off\"\nlissten = 1\n";
  EXPECT_EQ(error({"serve", "--config", file}),
            "error: " + file +
                ":2: 'lissten' is no setting of `coordinator serve`; did you mean 'listen'?\n");
  std::ofstream(file) << "lease-ms = 100\n";
  EXPECT_THAT(error({"serve", "--config", file}), StartsWith("error: --lease-ms 100 is too short"));
}

TEST_F(Usage, FlagsMayBeWrittenWithUnderscores) {
  const auto outcome = run(submit({"--num_inference_steps", "0", "--dry_run"}));
  EXPECT_EQ(outcome.err, "error: --steps 0 is not possible: it must be 1 to 1000\n");
}

TEST_F(Usage, CommandsOfThePythonScriptsAreUnderstood) {
  const auto outcome =
      run({"submit", "--batch_folder", folder_ / "videos", "--models", folder_ / "models",
           "--ref-image", folder_ / "ref.png", "--output_dir", folder_ / "out", "--lcm_steps", "4",
           "--lcm_cfg", "1.0", "--feature_cache_dir", folder_ / "features", "--device", "cuda",
           "--dry_run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("2 to make"));
}

// Of inference_raw_batch_cache.py and inference_raw_batch_turbo.py.
TEST_F(Usage, EveryFlagOfTheBatchScriptsIsUnderstood) {
  put(folder_, "c.yaml", "test_case:\n- ref_image_path: ref.png\n  num_inference_steps: 25\n");
  const Words script = {"submit",
                        "--models",
                        folder_ / "models",
                        "--dry_run",
                        "--log_file",
                        folder_ / "log.txt",
                        "--inference_config",
                        folder_ / "c.yaml",
                        "--output_dir",
                        folder_ / "out",
                        "--batch_folder",
                        folder_ / "videos",
                        "--no_use_float16",
                        "--scheduler",
                        "AnimateLCM_SVD",
                        "--scheduler_sigma_min",
                        "0.002",
                        "--scheduler_sigma_max",
                        "700.0",
                        "--scheduler_sigma_data",
                        "1.0",
                        "--scheduler_s_noise",
                        "1.0",
                        "--scheduler_rho",
                        "7.0",
                        "--scheduler_clip_denoised",
                        "--lcm_num_train_timesteps",
                        "40",
                        "--num_inference_steps",
                        "4",
                        "--feature_cache_dir",
                        folder_ / "features",
                        "--feature_cache_force_refresh",
                        "--disable_pipeline_feature_cache",
                        "--wait"};
  const auto outcome = run(script);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("2 to make"));
  Words more = script;
  more.insert(more.end(), {"--disable_feature_cache"});
  EXPECT_EQ(run(more).exit_code, 0);
  EXPECT_EQ(error({"submit", "--scheduler_sigma_max", "much", "--batch_folder", folder_ / "videos",
                   "--models", folder_ / "models", "--ref-image", folder_ / "ref.png"}),
            "error: --scheduler-sigma-max: 'much' is not a number\n");
}

TEST_F(Usage, ErrorsAreJsonWhereThatIsAskedFor) {
  const auto error_of = [&](Words words, int code) {
    words.insert(words.end(), {"--output_mode", "json"});
    const auto outcome = run(words);
    EXPECT_EQ(outcome.exit_code, code);
    EXPECT_THAT(outcome.err, StartsWith("error: "));
    const auto document = json::parse(outcome.out);
    EXPECT_TRUE(document.ok()) << document.status() << outcome.out;
    if (!document.ok()) return std::string();
    EXPECT_EQ(*document->find("exit_code")->get_if<std::uint64_t>(),
              static_cast<std::uint64_t>(code));
    return *document->find("error")->get_if<std::string>();
  };
  EXPECT_EQ(error_of({"submit", "--stpes", "4"}, 2),
            "unknown flag --stpes of `coordinator submit`; did you mean '--steps'?");
  EXPECT_EQ(error_of(submit({"--steps", "0"}), 2),
            "--steps 0 is not possible: it must be 1 to 1000");
  EXPECT_THAT(error_of({"job", "list"}, 3), HasSubstr("no server is known"));
  EXPECT_THAT(error_of({"verify", folder_ / "nowhere"}, 2), HasSubstr("nowhere"));
  EXPECT_THAT(error_of({"verify"}, 2), HasSubstr("DIR is required"));
}

TEST_F(Usage, APresetThatIsNotThereAndWaitingBothWaysAreTold) {
  EXPECT_EQ(error(submit({"--preset", "fast"})),
            "error: --preset fast: choose quality, turbo or preview\n");
  EXPECT_THAT(error(submit({"--wait", "--no-wait"})),
              AllOf(HasSubstr("--wait"), HasSubstr("--no-wait")));
}

TEST_F(Usage, HelpShowsFlagsAsTheyAreGiven) {
  EXPECT_THAT(run({"submit", "--help"}).out,
              AllOf(HasSubstr("--no-wait "), Not(HasSubstr("{false}"))));
}

TEST_F(Usage, NoStepsAndImpossibleSizesAreToldBeforeAnythingIsMade) {
  EXPECT_EQ(error(submit({"--steps", "0"})),
            "error: --steps 0 is not possible: it must be 1 to 1000\n");
  EXPECT_EQ(error(submit({"--resolution", "500"})),
            "error: --resolution 500 is not accepted by the models: it must be a multiple of 64, "
            "such as 512\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Usage, LoraFlagsMayBeRepeatedAndOthersMayNot) {
  put(folder_, "lora.safetensors", fake_lora());
  const std::string lora = folder_ / "lora.safetensors";
  EXPECT_EQ(run(submit({"--lcm_lora_path", lora, "--lcm-lora-path", lora, "--lcm_lora_scale", "0.5",
                        "--skip_lcm_scheduler", "--dry-run"}))
                .exit_code,
            0);
  EXPECT_EQ(error(submit({"--steps", "4", "--steps", "8"})),
            "error: --steps is there 2 times: give it once\n");
  EXPECT_EQ(error(submit({"--limit", "4", "--limit", "8", "--limit", "9"})),
            "error: --limit is there 3 times: give it once\n");
  EXPECT_THAT(error(submit({"--lcm-lora-path", "gone"})),
              HasSubstr("--lcm-lora-path gone: no such file or folder"));
  EXPECT_EQ(error(submit({"--lcm-lora-path", lora, "--steps", "50"})),
            "error: --steps 50 is not possible with the lcm scheduler: it must be 1 to 40\n");
}

TEST_F(Usage, WhatCannotWorkIsRefusedBeforeAnythingIsMade) {
  put(folder_, "lora.safetensors", fake_lora().substr(0, 100));
  const std::string lora = folder_ / "lora.safetensors";
  for (const char* flag : {"--lcm-lora-path", "--unet-overlay"}) {
    const auto outcome = run(submit({flag, lora, "--dry-run"}));
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr(lora + ": not a valid safetensors file: "),
                                   HasSubstr("; fetch the file again")));
  }
  put(folder_, "models/DWPose/yolox_l.onnx", fake_graph("detector").substr(0, 6));
  const auto outcome = run(submit({"--dry-run"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("yolox_l.onnx: not a valid ONNX model: it is cut off; expected DWPose's"));
}

TEST_F(Usage, AComparisonNeedsTwoVariants) {
  const Words compare = {"compare",     folder_ / "videos",  "--models",     folder_ / "models",
                         "--ref-image", folder_ / "ref.png", "--output-dir", folder_ / "out"};
  const auto with = [&](const Words& more) {
    Words words = compare;
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  EXPECT_EQ(error(with({"--steps", "4"})),
            "error: nothing to compare: give a flag such as --steps twice, or --variant twice\n");
  EXPECT_THAT(error(with({"--variant", "stpes=4", "--variant", "steps=8"})),
              HasSubstr("did you mean 'steps'?"));
  const auto planned = run(with({"--steps", "25", "--steps", "4", "--dry-run"}));
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out,
              AllOf(HasSubstr("make    steps=25/a (not made yet)"), HasSubstr("4 to make")));
}

TEST_F(Usage, FlagsOfTheScriptsThatThereAreNotSayWhy) {
  EXPECT_EQ(error(submit({"--no_fuse_lcm_lora"})),
            "error: --no-fuse-lcm-lora: LoRAs are always fused; leave the flag out\n");
  EXPECT_THAT(error(submit({"--lcm_beta_schedule", "scaled_linear"})), HasSubstr("no betas"));
  EXPECT_THAT(error(submit({"--bridge_file", "b.json"})), HasSubstr("poses come from videos"));
  EXPECT_THAT(run({"submit", "--help"}).out, Not(HasSubstr("bridge")));
}

TEST_F(Usage, AnEmptyFolderIsNamed) {
  std::filesystem::create_directory(folder_ / "empty");
  EXPECT_THAT(error({"submit", folder_ / "empty", "--ref-image", folder_ / "ref.png"}),
              AllOf(StartsWith("error: " + (folder_ / "empty")),
                    HasSubstr("no videos found below this folder")));
}

TEST_F(Usage, TwoInputsWithOneOutputNameAreBothNamed) {
  put(folder_, "videos/a.mkv", "x");
  EXPECT_THAT(error(submit()), AllOf(HasSubstr("videos/a.mkv and "),
                                     HasSubstr("videos/a.mp4 would both be written")));
}

TEST_F(Usage, AnUnknownYamlKeyIsAnsweredWithTheNearestKnownOne) {
  put(folder_, "c.yaml", "test_case:\n- num_inference_setps: 4\n");
  EXPECT_EQ(error(submit({"--config", folder_ / "c.yaml"})),
            "error: " + (folder_ / "c.yaml") +
                ": line 2: unknown key 'num_inference_setps' in test_case[0]; did you mean "
                "'num_inference_steps'?\n");
}

TEST_F(Usage, AMissingImageOrModelFileIsNamedWithARemedy) {
  EXPECT_THAT(error({"submit", folder_ / "videos", "--models", folder_ / "models", "--ref-image",
                     folder_ / "nobody.png"}),
              HasSubstr("nobody.png: no such reference image; give one with --ref-image FILE"));
  std::filesystem::remove(folder_ / "models/MimicMotion_1-1.pth");
  EXPECT_THAT(error(submit()), AllOf(HasSubstr("MimicMotion_1-1.pth: is not there; expected"),
                                     HasSubstr("https://huggingface.co/tencent/MimicMotion")));
}

TEST_F(Usage, AnOutputFolderThatCannotBeWrittenIsNamed) {
  put(folder_, "out", "a file");
  EXPECT_THAT(error(submit()), AllOf(HasSubstr(folder_ / "out"),
                                     HasSubstr("is not a folder; choose another --output-dir")));
}

TEST_F(Usage, AnOutputFolderWithoutTheRightToWriteIsNamed) {
  std::filesystem::create_directory(folder_ / "out");
  std::filesystem::permissions(folder_ / "out", std::filesystem::perms(0500));
  surroundings_.modes_bind = true;
  EXPECT_EQ(error(submit()),
            "error: " + (folder_ / "out") +
                ": cannot be written: Permission denied; give this user the right or choose "
                "another path (--output-dir)\n");
}

TEST_F(Usage, AFolderThatCannotBeListedIsNamed) {
  std::filesystem::create_directory(folder_ / "videos/closed");
  std::filesystem::permissions(folder_ / "videos/closed", std::filesystem::perms::none);
  surroundings_.modes_bind = true;
  EXPECT_EQ(error(submit()),
            "error: " + (folder_ / "videos/closed") +
                ": cannot be listed: Permission denied; give this user the right or move it "
                "elsewhere\n");
}

TEST_F(Usage, AFullDiskIsNoticedBeforeAnythingIsMadeWhereTestsMayMakeDisks) {
  if (!e2e::can_make_disks()) GTEST_SKIP() << "no mount namespaces here";
  std::filesystem::create_directory(folder_ / "disk");
  surroundings_.disks = {{folder_ / "disk", 20 << 20}};
  Words words = submit();
  words.back() = folder_ / "disk/out";
  EXPECT_EQ(error(words), "error: " + (folder_ / "disk/out") +
                              ": only 20 MiB are free there and a run needs at least 64; free some "
                              "space or choose another "
                              "--output-dir\n");
}

TEST_F(Usage, AServerThatIsNotThereEndsWith3) {
  EXPECT_THAT(error({"job", "list"}, 3),
              HasSubstr("no server is known: start one with `coordinator serve`"));
  EXPECT_THAT(error(submit({"--server", "gpu1"})),
              HasSubstr("a server is named like tcp://127.0.0.1:5555"));
}

TEST_F(Usage, AServerThatCouldNotServeIsNotStarted) {
  const auto serve = [&](const Words& more) {
    Words words = {"serve", "--state-dir", folder_ / "state", "--no-discovery", "--metrics", "off"};
    words.insert(words.end(), more.begin(), more.end());
    return error(words);
  };
  EXPECT_EQ(serve({"--listen", "tcp://127.0.0.1:99999"}),
            "error: tcp://127.0.0.1:99999: port 99999 is not possible: it must be 1 to 65535; "
            "--listen takes an "
            "address like tcp://127.0.0.1:5555\n");
  for (const char* address : {"tcp://0.0.0.0:*", "tcp://*:5555", "tcp://eth0:*", "tcp://[::]:*"}) {
    EXPECT_EQ(
        serve({"--listen", address}),
        fmt::format(
            "error: --listen {}: anybody who reaches that address could have workers read and "
            "write files; give --insecure too if all of that network is trusted\n",
            address));
  }
  EXPECT_EQ(serve({"--lease-ms", "2000"}),
            "error: --lease-ms 2000 is too short for --heartbeat-ms 1000: workers would be lost "
            "between two "
            "beats; give at least 3000\n");
  EXPECT_THAT(serve({"--listen", "tcp://127.0.0.1:*", "--file-sd", folder_ / "workers.txt"}),
              AllOf(HasSubstr("--file-sd " + (folder_ / "workers.txt")), HasSubstr(".json")));
  put(folder_, "file", "no folder");
  EXPECT_THAT(
      error({"serve", "--listen", "tcp://127.0.0.1:*", "--state-dir", folder_ / "file"}),
      AllOf(StartsWith("error: " + (folder_ / "file")), HasSubstr("choose another --state-dir")));
}

TEST_F(Usage, WhatAnEmbeddedRunCannotDoOrAServerIgnoresIsToldNotDropped) {
  EXPECT_THAT(error(submit({"--no-wait"})), HasSubstr("--no-wait needs a server"));
  EXPECT_THAT(error(submit({"--server", "tcp://127.0.0.1:1", "--threads", "2"})),
              HasSubstr("--threads is for embedded runs"));
  EXPECT_THAT(error(submit({"--server", "tcp://127.0.0.1:1", "--feature-cache-limit", "1G"})),
              HasSubstr("--feature-cache-limit is for embedded runs"));
  EXPECT_THAT(error(submit({"--feature_cache_limit", "much"})),
              HasSubstr("--feature-cache-limit: 'much' is no size"));
  EXPECT_THAT(error(submit({"--benchmark-cache", "--no-wait"})),
              HasSubstr("--benchmark-cache waits"));
  EXPECT_THAT(error(submit({"--device", "gpu"})),
              HasSubstr("--device: 'gpu' is not auto, cpu, cuda or cuda:N"));
  EXPECT_THAT(error(submit({"--shard", "5/4"})), HasSubstr("--shard 5/4: write I/N, such as 1/4"));
}

TEST_F(Usage, ADryRunSaysWhatWouldBeMadeAndMakesNothing) {
  const auto outcome = run(submit({"--dry-run"}));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out,
            "make    a (not made yet)\nmake    b (not made yet)\n"
            "2 to make, 0 already there, 0 cannot be made; models models\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Usage, ADryRunEndsWith1WhenSomethingCannotBeMade) {
  put(folder_, "videos/empty.mp4", "");
  const auto outcome = run(submit({"--dry-run"}));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("videos/empty.mp4: is empty (0 bytes)"),
                                 HasSubstr("2 to make, 0 already there, 1 cannot be made")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Usage, ADryRunLooksAtTheHeadersOfVideosAndAtImagesOfSingleLines) {
  put(folder_, "videos/image.mp4", read_file(folder_ / "ref.png"));
  put(folder_, "videos/text.mp4", "dear diary");
  put(folder_, "videos/cut.mp4", read_file(folder_ / "videos/a.mp4").substr(0, 900));
  auto outcome = run(submit({"--dry-run"}));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("videos/image.mp4: is a PNG image, not a video"),
                                 HasSubstr("videos/text.mp4: is a text file, not a video"),
                                 HasSubstr("videos/cut.mp4: "),
                                 HasSubstr("2 to make, 0 already there, 3 cannot be made")));
  put(folder_, "list.csv",
      "video,ref_image,output\nvideos/a.mp4,ref.png,a\nvideos/a.mp4,videos/text.mp4,b\n");
  Words words = submit({"--dry-run"});
  words[1] = folder_ / "list.csv";
  words.erase(words.begin() + 4, words.begin() + 6);  // --ref-image
  outcome = run(words);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("is a text file, not a PNG, JPEG or WebP image"),
                                 HasSubstr("1 to make, 0 already there, 1 cannot be made")));
}

TEST_F(Usage, AReferenceImageThatCannotBeReadIsRefusedAtOnce) {
  const std::string image = read_file(folder_ / "ref.png");
  const std::string path = folder_ / "ref.png";
  for (const Words& more : {Words(), Words{"--dry-run"}, Words{"--mode", "encode"}}) {
    put(folder_, "ref.png", image.substr(0, image.size() / 2));
    EXPECT_THAT(error(submit(more)), HasSubstr(path + ": is damaged or truncated"));
    put(folder_, "ref.png", read_file(folder_ / "videos/a.mp4"));
    EXPECT_THAT(error(submit(more)),
                HasSubstr(path + ": is an MP4, not a PNG, JPEG or WebP image"));
    put(folder_, "ref.png", "");
    EXPECT_THAT(error(submit(more)), HasSubstr(path + ": is empty (0 bytes)"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(Usage, ADryRunChecksWhereResultsGo) {
  put(folder_, "out", "a file");
  EXPECT_THAT(error(submit({"--dry-run"})),
              HasSubstr("is not a folder; choose another --output-dir"));
  std::filesystem::remove(folder_ / "out");
  put(folder_, "cache", "a file");
  EXPECT_THAT(error(submit({"--dry-run", "--mode", "encode", "--cache-dir", folder_ / "cache"})),
              HasSubstr("cache: is not a folder"));
  Words words = submit({"--dry-run"});
  words[7] = "/proc/x";
  EXPECT_THAT(error(words), HasSubstr("/proc/x: "));
}

TEST_F(Usage, ResultsThatCannotBeWrittenAreNoSuccess) {
  Words words = {"sh", "-c", "exec \"$0\" \"$@\" > /dev/full", binary_path("bin/coordinator")};
  for (auto& word : submit({"--dry-run"})) words.push_back(word);
  const auto outcome = e2e::Process(words, folder_.path(), surroundings_).wait();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err,
            "error: standard output cannot be written; what was made is there nevertheless\n");
}

TEST_F(Usage, OnlyUnusableInputsMeansFailureWithoutAWorker) {
  put(folder_, "videos/a.mp4", "");
  put(folder_, "videos/b.mp4", "");
  const auto outcome = run(submit());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("2 failed"), HasSubstr("videos/a.mp4: is empty (0 bytes)")));
}

}  // namespace
}  // namespace mimicfleet::coordinator
