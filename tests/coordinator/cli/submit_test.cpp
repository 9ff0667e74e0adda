#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "common/files/atomic_file.h"
#include "common/files/read_text.h"
#include "tests/coordinator/cli/cli_test_base.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Submit : public CommandLine {
 protected:
  bool exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  Words temporary_files() const {
    Words found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "out")) {
      if (is_temporary_name(entry.path().filename().string())) found.push_back(entry.path());
    }
    return found;
  }
};

TEST_F(Submit, MakesEveryVideoAndThenFindsThemDone) {
  const auto first = run(submit());
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr("videos      2 done\n"), HasSubstr("frames      18\n"),
                               HasSubstr("denoise           2.00      0.00      0.00\n")));
  EXPECT_TRUE(exists("out/a.mp4") && exists("out/a.json") && exists("out/b.mp4"));
  EXPECT_FALSE(exists("out/_run/state"));
  const auto when = std::filesystem::last_write_time(folder_ / "out/a.mp4");
  const auto second = run(submit());
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("videos      2 already there\n"));
  EXPECT_LT(second.seconds, 3);
  EXPECT_EQ(std::filesystem::last_write_time(folder_ / "out/a.mp4"), when);
}

TEST_F(Submit, OnlyWhatIsMissingOrChangedIsMadeAgain) {
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: done", "b: done"));
  std::filesystem::resize_file(folder_ / "out/b.mp4", 5);
  auto again = run_json(submit());
  EXPECT_THAT(states(again), ElementsAre("a: skipped", "b: done"));
  EXPECT_EQ(again.clips[1].reason, "its MP4 has another size than its record says");
  put(folder_, "videos/a.mp4", "video A");
  again = run_json(submit());
  EXPECT_THAT(states(again), ElementsAre("a: done", "b: skipped"));
  EXPECT_EQ(again.clips[0].reason, "the video changed");
  put(folder_, "models/svd/vae/config.json", "{\"vae\": 2}");
  again = run_json(submit());
  EXPECT_THAT(states(again), ElementsAre("a: done", "b: done"));
  EXPECT_EQ(again.clips[0].reason, "the models changed");
  again = run_json(submit({"--seed", "7", "--limit", "1", "--overwrite"}));
  EXPECT_THAT(states(again), ElementsAre("a: done"));
  EXPECT_EQ(again.clips[0].reason, "seed was 42");
}

TEST_F(Submit, FilesOfOthersAreReplacedOnlyIfThatIsSaidAndHalfMadeOnesOfOursAlways) {
  put(folder_, "out/a.mp4", "somebody's");
  const auto refused = run(submit());
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(
      refused.err,
      "error: " + (folder_ / "out") +
          ": 1 file there was not made by mimicfleet (a.mp4); give --overwrite to replace it, "
          "or another --output-dir\n");
  EXPECT_EQ(run(submit({"--dry-run"})).exit_code, 2);
  EXPECT_EQ(read("out/a.mp4"), "somebody's");
  EXPECT_THAT(states(run_json(submit({"--overwrite"}))), ElementsAre("a: done", "b: done"));
  std::filesystem::remove(folder_ /
                          "out/b.json");  // as if the run had been killed between both renames
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: skipped", "b: done"));
}

TEST_F(Submit, AnotherSeedImageOrModelDoesNotReplaceVideosUnlessThatIsSaid) {
  ASSERT_EQ(run(submit()).exit_code, 0);
  const std::string before = read("out/a.mp4");
  const auto refused = run(submit({"--seed", "7"}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.err,
            "error: " + (folder_ / "out") +
                ": 2 videos there were made with seed 42 (a, b); give --overwrite to replace "
                "them, or another --output-dir\n");
  const auto planned = run(submit({"--seed", "7", "--dry-run"}));
  EXPECT_EQ(planned.exit_code, 2) << "as the run would";
  EXPECT_THAT(planned.out, HasSubstr("make    a (seed was 42)"));
  put(folder_, "other.png", read_file(source_path("tests/common/av/data/images/grey.jpg")));
  Words other_image = submit();
  other_image[5] = folder_ / "other.png";
  EXPECT_THAT(run(other_image).err,
              HasSubstr("2 videos there were made with the reference image " +
                        std::filesystem::canonical(folder_ / "ref.png").string()));
  put_models(folder_, "finetuned/");
  put(folder_, "finetuned/MimicMotion_1-1.pth", fake_checkpoint("other weights"));
  Words other_models = submit();
  other_models[3] = folder_ / "finetuned";
  EXPECT_THAT(run(other_models).err,
              HasSubstr("2 videos there were made with the models models (a, b)"));
  put_models(folder_, "fine/models/");
  put(folder_, "fine/models/MimicMotion_1-1.pth", fake_checkpoint("other weights"));
  other_models[3] = folder_ / "fine/models";
  EXPECT_THAT(run(other_models).err,
              HasSubstr("2 videos there were made with the models models (" +
                        (folder_ / "models/MimicMotion_1-1.pth") + ") (a, b); give --overwrite"));
  EXPECT_EQ(read("out/a.mp4"), before);
  EXPECT_EQ(run(submit({"--seed", "7", "--overwrite"})).exit_code, 0);
  EXPECT_NE(read("out/a.mp4"), before);
}

TEST_F(Submit, ABenchmarkOrAChangedImageReplacesNothingThatWasChosen) {
  ASSERT_EQ(run(submit()).exit_code, 0);
  EXPECT_EQ(run(submit({"--seed", "7", "--benchmark-cache"})).exit_code, 0);
  put(folder_, "ref.png", read_file(source_path("tests/common/av/data/images/grey.jpg")));
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: done", "b: done"));
}

TEST_F(Submit, APresetIsInRecordAndPlanAndFlagsWinOverIt) {
  const auto planned = run(submit({"--preset", "turbo", "--dry-run"}));
  EXPECT_THAT(planned.out, HasSubstr("models models; preset turbo\n"));
  EXPECT_EQ(run_json(submit({"--preset", "turbo", "--steps", "5"})).preset, "turbo");
  EXPECT_THAT(read("out/a.json"), AllOf(HasSubstr("\"guidance_scale\": \"preset turbo\""),
                                        HasSubstr("\"steps\": \"flag\""), HasSubstr("\"steps\": 5"),
                                        HasSubstr("\"scheduler\": \"lcm\"")));
}

TEST_F(Submit, ALogFileHasWhatWasDone) {
  put(folder_, "log.txt", "of another run");
  EXPECT_EQ(run(submit({"--log_file", folder_ / "log.txt", "--wait"})).exit_code, 0);
  EXPECT_THAT(read("log.txt"),
              AllOf(HasSubstr("videos      2 done"), Not(HasSubstr("of another run"))));
  EXPECT_EQ(run(submit({"--log_file", folder_ / "log.txt", "--seed", "7"})).exit_code, 2);
  EXPECT_THAT(read("log.txt"), HasSubstr("error: "));
  EXPECT_THAT(run(submit({"--log-file", folder_ / "videos"})).err, HasSubstr("--log-file: "));
}

TEST_F(Submit, AClipThatFailsIsListedWithItsErrorAndTheOthersAreDone) {
  put(folder_, "videos/bad.mp4", "text");
  put(folder_, "videos/empty.mp4", "");
  const auto outcome = run(submit());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("videos      2 done, 2 failed\n"),
                    HasSubstr("failed bad: " + (folder_ / "videos/bad.mp4") +
                              ": is no video; convert it\n"),
                    HasSubstr("videos/empty.mp4: is empty (0 bytes); copy it again\n")));
  EXPECT_THAT(read("out/_run/summary.json"), HasSubstr("is no video; convert it"));
  EXPECT_TRUE(exists("out/_run/state"));
}

TEST_F(Submit, ThatToyModelsAreUsedIsSaidFirst) {
  Words words = submit({"--server", "embedded"});
  const auto models = std::find(words.begin(), words.end(), "--models");
  words.erase(models, models + 2);
  const auto outcome = run(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.err.substr(0, outcome.err.find('\n')),
      AllOf(HasSubstr("no models are named"), HasSubstr("toy models"), HasSubstr("--models")));
  std::filesystem::remove_all(folder_ / "out");
  EXPECT_EQ(run(submit({"--server", "embedded"})).err, "");
}

TEST_F(Submit, AWorkerThatDiesIsStartedAgainAndEveryVideoMadeOnce) {
  put(folder_, "videos/crash.mp4", "x");
  const RunSummary summary = run_json(submit());
  EXPECT_THAT(states(summary), ElementsAre("a: done", "b: done", "crash: done"));
  EXPECT_EQ(summary.clips[2].attempts, 3U);  // two encodes, one decode
  const std::string events = read("out/_run/events.jsonl");
  EXPECT_THAT(events,
              AllOf(HasSubstr("\"kind\":\"worker_lost\""), HasSubstr("\"kind\":\"job_ended\"")));
}

TEST_F(Submit, ACoordinatorThatDiesIsStartedAgainAndTheJobGoesOn) {
  put(folder_, "videos/crash.mp4", "x");  // its lease must expire first, so that there is time
  const auto process = start(submit());
  ASSERT_TRUE(e2e::eventually([&] { return committed(4); }));
  for (const auto& stray : e2e::processes_with(folder_ / "out/_run/state"))
    ::kill(stray.first, SIGKILL);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("videos      3 done\n"));
  EXPECT_THAT(read("out/_run/events.jsonl"),
              AllOf(HasSubstr("\"epoch\":1"), HasSubstr("\"epoch\":2")));
}

TEST_F(Submit, AWorkerThatCannotStartEndsTheRunWithItsError) {
  surroundings_.environment.push_back("MIMICFLEET_WORKER=/bin/false");
  const auto outcome = run(submit());
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("error: worker-0 exited with 1"),
                                 HasSubstr("_run/logs/worker-0.log")));
  EXPECT_THAT(outcome.out, HasSubstr("videos      2 not made\n"));
}

TEST_F(Submit, AnInterruptCancelsTheJobAndLeavesNeitherProcessesNorHalfFiles) {
  put(folder_, "videos/stuck.mp4", "x");
  const auto process = start(submit());
  ASSERT_TRUE(e2e::eventually([&] { return committed(4); }));
  process->signal(SIGINT);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("videos      2 done, 1 cancelled\n"));
  EXPECT_THAT(outcome.err, HasSubstr("run the same command again to go on"));
  EXPECT_THAT(e2e::processes_with(folder_.path()), IsEmpty());
  EXPECT_THAT(temporary_files(), IsEmpty());
  const RunSummary again = run_json(submit({"--filter", "[ab].mp4"}));
  EXPECT_THAT(states(again), ElementsAre("a: skipped", "b: skipped"));
}

TEST_F(Submit, UnderNohupAHangupChangesNothing) {
  surroundings_.ignores_hangup = true;
  put(folder_, "videos/stuck.mp4", "x");
  const auto process = start(submit());
  ASSERT_TRUE(e2e::eventually([&] { return committed(4); }));
  for (const auto& [pid, command] : e2e::processes_with(folder_ / "out/_run")) ::kill(pid, SIGHUP);
  process->signal(SIGHUP);
  process->signal(SIGTERM);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("videos      2 done, 1 cancelled\n"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("starting it again")));
  EXPECT_THAT(read("out/_run/events.jsonl"), Not(HasSubstr("worker_lost")));
}

TEST_F(Submit, ARunThatIsKilledLeavesNoProcessAndTheNextOneGoesOn) {
  put(folder_, "videos/stuck.mp4", "x");
  {
    const auto process = start(submit());
    ASSERT_TRUE(e2e::eventually([&] { return committed(4); }));
    ::kill(process->pid(), SIGKILL);
    process->wait();
  }
  EXPECT_TRUE(e2e::eventually([&] { return e2e::processes_with(folder_.path()).empty(); }));
  put(folder_, "out/.mimicfleet-" + std::string(32, '0') + ".part", "half");
  std::filesystem::rename(folder_ / "videos/stuck.mp4", folder_ / "videos/free.mp4");
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: skipped", "b: skipped", "free: done"));
  EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(Submit, WhatOthersAreWritingInTheFolderStays) {
  put(folder_, "out/notes.txt", "");
  auto living = AtomicFile::create(folder_ / "out/theirs.mp4");
  ASSERT_TRUE(living.ok() && living->write("half").ok());
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: done", "b: done"));
  EXPECT_TRUE(living->commit().ok());
  EXPECT_TRUE(exists("out/theirs.mp4"));
}

TEST_F(Submit, TwoRunsIntoOneFolderAreRefused) {
  put(folder_, "videos/stuck.mp4", "x");
  const auto first = start(submit());
  ASSERT_TRUE(e2e::eventually([&] { return exists("out/a.mp4"); }));
  const auto second = run(submit());
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr("another run writes there now"));
}

TEST_F(Submit, ShardsOfOneRunShareAFolder) {
  EXPECT_THAT(states(run_json(submit({"--shard", "1/2"}))), ElementsAre("a: done"));
  EXPECT_THAT(states(run_json(submit({"--shard", "2/2"}))), ElementsAre("b: done"));
  EXPECT_TRUE(exists("out/_run/shard-2-of-2/summary.json"));
  EXPECT_THAT(states(run_json(submit())), ElementsAre("a: skipped", "b: skipped"));
}

TEST_F(Submit, TheNoticeOfTheModelsIsShownWithTheResults) {
  put(folder_, "models/defaults.yaml", "notice: the pictures are noise\nsteps: 2\n");
  EXPECT_THAT(run(submit()).out, HasSubstr("note        the pictures are noise\n"));
  EXPECT_THAT(read("out/a.json"), HasSubstr("\"steps\": \"defaults\""));
}

TEST_F(Submit, InATerminalThereIsABarWithRateAndTimeLeft) {
  put(folder_, "videos/crash.mp4", "x");  // its lease must expire first, so that there is time
  std::string line = "'" + binary_path("bin/coordinator") + "'";
  for (const auto& word : submit()) line += " '" + word + "'";
  surroundings_.environment.push_back("TERM=xterm");
  e2e::Process terminal({"script", "-qefc", line, "/dev/null"}, folder_.path(), surroundings_);
  EXPECT_TRUE(e2e::eventually([&] {
    const std::string shown = terminal.out();
    return shown.find("2/3 videos") != std::string::npos &&
           shown.find(" left") != std::string::npos;
  })) << terminal.out();
  EXPECT_THAT(terminal.out(), AllOf(HasSubstr("[#"), HasSubstr("videos/min, ")));
  const auto outcome = terminal.wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("videos      3 done"));
}

TEST_F(Submit, WithoutATerminalThereIsNoBar) {
  EXPECT_THAT(run(submit()).err, AllOf(Not(HasSubstr("\x1b")), Not(HasSubstr("["))));
}

}  // namespace
}  // namespace mimicfleet::coordinator
