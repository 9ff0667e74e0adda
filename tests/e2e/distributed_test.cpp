#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/atomic_file.h"
#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;

// Until a model has made a step or a worker has ended: a busy machine may take a minute for one.

class DistributedTest : public FleetTest {
 protected:
  // task id -> attempts leased, and commits.
  struct Story {
    int leases = 0;
    int commits = 0;
  };
  std::map<std::string, Story> stories() {
    std::map<std::string, Story> all;
    for (const auto& event : events()) {
      if (event["kind"] == "task_leased") ++all[event["task"]].leases;
      if (event["kind"] == "task_committed") ++all[event["task"]].commits;
    }
    return all;
  }

  // The task of this kind that runs now and has reached this step; null if none has (or no job is
  // there yet).
  Json running(const std::string& kind, int step) {
    const Outcome outcome = coordinator(
        {"task", "list", "--job", "last", "--server", endpoint_, "--output-mode", "json"});
    std::istringstream lines(outcome.out);
    for (std::string line; outcome.exit_code == 0 && std::getline(lines, line);) {
      auto task = Json::parse(line);
      if (task["state"] == "running" && task["spec"]["kind"] == kind &&
          task["progress"]["step"] >= step)
        return task;
    }
    return nullptr;
  }

  // Stops the worker where its task of this kind has a step from `step` on behind it and more to
  // go; the task's id. However slow the machine is, the task is then not over before the test acts.
  // Empty if that never happens.
  std::string stop_in(const std::string& kind, const Process& worker, int step) {
    std::string stopped;
    const auto stop = [&] {
      if (running(kind, step).is_null()) return false;
      worker.signal(SIGSTOP);
      const Json task = running(kind, step);
      if (!task.is_null() && task["progress"]["step"] < task["progress"]["steps"]) {
        stopped = task["spec"]["id"];
        return true;
      }
      worker.signal(SIGCONT);
      return false;
    };
    EXPECT_TRUE(eventually(stop, kProcessPatience)) << worker.err();
    return stopped;
  }

  std::string stop_in_encode(const Process& worker, int step) {
    return stop_in("encode_latents", worker, step);
  }

  // All files below the folder but the run's own and those that have no name yet, with what changes
  // when one is written or replaced.
  static std::map<std::string, std::pair<ino_t, fs::file_time_type>> written(
      const fs::path& output) {
    std::map<std::string, std::pair<ino_t, fs::file_time_type>> files;
    for (const auto& entry : fs::recursive_directory_iterator(output)) {
      if (!entry.is_regular_file() || entry.path().string().starts_with((output / "_run").string()))
        continue;
      if (is_temporary_name(entry.path().filename().string()) ||
          is_temporary_name(entry.path().parent_path().filename().string())) {
        continue;
      }
      struct stat info {};
      EXPECT_EQ(::stat(entry.path().c_str(), &info), 0);
      files[entry.path()] = {info.st_ino, entry.last_write_time()};
    }
    return files;
  }

  // That task cost its worker's attempt and one more, each was committed once, and every clip has
  // its video.
  void expect_second_attempt(const std::string& lost, std::size_t tasks, const fs::path& output,
                             const std::vector<std::string>& videos) {
    const auto all = stories();
    EXPECT_EQ(all.size(), tasks);
    for (const auto& [task, story] : all) {
      EXPECT_EQ(story.commits, 1) << task;
      EXPECT_LE(story.leases, 2) << task;
    }
    EXPECT_EQ(all.contains(lost) ? all.at(lost).leases : 0, 2) << lost;
    EXPECT_EQ(mp4_files(output), videos);
  }

  std::vector<Json> workers() {
    const Outcome outcome =
        coordinator({"worker", "list", "--server", endpoint_, "--output-mode", "json"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    if (outcome.exit_code != 0) return {};
    return Json::parse(outcome.out)["workers"];
  }

  bool are_ready(std::size_t count) {
    const auto all = workers();
    return all.size() == count && std::all_of(all.begin(), all.end(), [](const Json& worker) {
             return worker["state"] == "ready";
           });
  }

  // What an embedded run makes of the same input, to compare with.
  void expect_same_as_embedded(const fs::path& output, const Words& more,
                               const std::vector<std::string>& files) {
    const fs::path reference = scratch_ / "embedded";
    const Outcome outcome = coordinator(submit(clips_, reference, more));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    for (const auto& file : files) {
      EXPECT_FALSE(bytes(reference / file).empty()) << file;
      EXPECT_EQ(bytes(output / file), bytes(reference / file)) << file << " differs";
    }
  }
};

TEST_F(DistributedTest, AWorkerKilledInTheMiddleCostsOneAttemptAndNoVideo) {
  make_clips({"a.mp4", "b.mp4"});
  const auto server = serve({"--lease-ms", "6000", "--heartbeat-ms", "1000"});
  const auto doomed = worker("doomed");
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "6"}));
  const std::string lost = stop_in_encode(*doomed, 2);
  ASSERT_FALSE(lost.empty()) << client->err();
  doomed->signal(SIGKILL);
  const auto heir = worker("heir");
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << heir->err();
  expect_second_attempt(lost, 4, output, {"a.mp4", "b.mp4"});
  expect_same_as_embedded(output, {"--steps", "6"}, {"a.mp4", "b.mp4"});
}

TEST_F(DistributedTest, AWorkerThatGoesOnAfterItsLeaseChangesNothingOfWhatItsSuccessorMade) {
  make_clips({"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4"});
  const auto server = serve({"--lease-ms", "6000", "--heartbeat-ms", "1000"});
  const auto stopped = worker("stopped");
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(
      clips_, output,
      {"--server", endpoint_, "--save-frames", "--save-latents", "--decode-chunk-size", "1"}));
  ASSERT_FALSE(stop_in("decode_video", *stopped, 1).empty()) << client->err();
  const auto heir = worker("heir");
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << heir->err();
  const auto made = written(output);
  EXPECT_GE(made.size(), 6 * (3 + 13U));
  heir->signal(SIGTERM);
  heir->wait();
  stopped->signal(SIGCONT);
  // Before it has made others it has ended what it held.
  const Outcome next = coordinator(submit(clips_, scratch_ / "next", {"--server", endpoint_}));
  ASSERT_EQ(next.exit_code, 0) << next.err << stopped->err();
  EXPECT_EQ(written(output), made);
}

TEST_F(DistributedTest, ACoordinatorKilledInTheMiddleGoesOnAfterARestart) {
  make_clips({"a.mp4", "b.mp4", "c.mp4"});
  auto server = serve();
  const auto only = worker("only");
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "4"}));
  ASSERT_FALSE(stop_in_encode(*only, 1).empty()) << client->err();
  server->signal(SIGKILL);
  server->wait();
  only->signal(SIGCONT);
  server = serve();  // the same address and state
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << only->err();
  const auto all = stories();
  EXPECT_EQ(all.size(), 6U);
  for (const auto& [task, story] : all) {
    EXPECT_EQ(story.commits, 1) << task;
    EXPECT_EQ(story.leases, 1) << task;  // the worker went on with what it had
  }
  EXPECT_EQ(mp4_files(output), (Words{"a.mp4", "b.mp4", "c.mp4"}));
  expect_same_as_embedded(output, {"--steps", "4"}, {"a.mp4", "c.mp4"});
}

TEST_F(DistributedTest, AWorkerAndItsCoordinatorKilledTogetherCostOneAttemptAndNoVideo) {
  make_clips({"a.mp4", "b.mp4"});
  const Words quick = {"--lease-ms", "6000", "--heartbeat-ms", "1000"};
  auto server = serve(quick);
  const auto doomed = worker("doomed");
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "6"}));
  const std::string lost = stop_in_encode(*doomed, 2);
  ASSERT_FALSE(lost.empty()) << client->err();
  doomed->signal(SIGKILL);
  server->signal(SIGKILL);
  server->wait();
  server = serve(quick);
  const auto heir = worker("heir");
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << heir->err();
  expect_second_attempt(lost, 4, output, {"a.mp4", "b.mp4"});
}

TEST_F(DistributedTest, AWorkerThatIsToldToTerminateHandsItsLeaseBackWithoutPenalty) {
  make_clips({"a.mp4"});
  const auto server = serve();
  auto leaving = worker("leaving");
  const auto client =
      start(submit(clips_, scratch_ / "out", {"--server", endpoint_, "--steps", "8"}));
  ASSERT_TRUE(eventually([&] { return !running("encode_latents", 1).is_null(); }, kProcessPatience))
      << leaving->err();
  leaving->signal(SIGTERM);
  EXPECT_EQ(leaving->wait(kProcessPatience).exit_code, 0);
  const auto staying = worker("staying");
  ASSERT_EQ(client->wait().exit_code, 0) << staying->err();
  for (const auto& event : events()) EXPECT_NE(event["kind"], "task_failed") << event;
}

// Two workers, of which one may not open the clips: both are ready before the job comes.
TEST_F(DistributedTest, AWorkerThatDoesNotSeeTheFolderCostsNoVideoAndIsNamed) {
  const Words names = {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4"};
  make_clips(names);
  fs::create_directories(scratch_ / "elsewhere");
  const auto server = serve({"--lease-ms", "120000"});
  const auto good = worker("good");
  const auto bad = worker("bad", {"--roots", scratch_ / "elsewhere"});
  ASSERT_TRUE(eventually([&] { return are_ready(2); }, kPatience)) << bad->err();
  good->signal(SIGSTOP);
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_}));
  const std::string trouble = "job 1: set aside, its host could not do";
  const auto is_set_aside = [&] {
    return coordinator({"worker", "list", "--server", endpoint_}).out.find(trouble) !=
           std::string::npos;
  };
  EXPECT_TRUE(eventually(is_set_aside, kProcessPatience)) << server->err();
  const Outcome table = coordinator({"worker", "list", "--server", endpoint_});
  EXPECT_THAT(
      table.out,
      ContainsRegex("bad .*job 1: set aside, its host could not do [3-6] tasks: .*--roots"));
  good->signal(SIGCONT);
  const Outcome outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err << server->err();
  EXPECT_EQ(mp4_files(output), names);
  for (const auto& worker : workers()) {
    const bool is_bad = worker["hello"]["name"] == "bad";
    EXPECT_EQ(worker["tasks_done"], is_bad ? 0 : 12);
    ASSERT_EQ(worker["trouble"].size(), is_bad ? 1U : 0U) << worker;
    if (!is_bad) continue;
    EXPECT_TRUE(worker["trouble"][0]["set_aside"]) << worker;
    EXPECT_TRUE(worker["trouble"][0]["ended"]) << worker;
    EXPECT_THAT(std::string(worker["trouble"][0]["last"]["message"]),
                HasSubstr("is below none of this worker's roots"));
  }
  EXPECT_FALSE(is_set_aside()) << "the job has ended";
  EXPECT_THAT(
      server->err(),
      ContainsRegex("job 1, encode_latents of [a-f], attempt 1 by bad on .*: host_failed: "));
  EXPECT_THAT(server->err(),
              ContainsRegex("job 1, worker bad on .*: its host could not do 3 tasks of this job"));
}

// Its latents have no place; those of the good worker, on the same machine, do.
TEST_F(DistributedTest, AWorkerWhoseDiskIsFullCostsNoVideoAndIsNamedWhereTestsMayMakeDisks) {
  if (!can_make_disks()) GTEST_SKIP() << "no mount namespaces here";
  const Words names = {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4"};
  make_clips(names);
  const auto server = serve();
  const auto good = worker("good");
  const fs::path disk = scratch_ / "bad/data";
  fs::create_directories(disk);
  surroundings_.disks = {{disk, 256 << 10}};
  const auto bad = worker("bad");
  surroundings_.disks.clear();
  ASSERT_TRUE(eventually([&] { return are_ready(2); }, kPatience)) << bad->err();
  const fs::path seen = "/proc/" + std::to_string(bad->pid()) + "/root" + disk.string();
  std::ofstream filler(seen / "filler", std::ios::binary);
  const std::string block(1 << 10, 'x');
  while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  const fs::path output = scratch_ / "out";
  const Outcome outcome = coordinator(submit(clips_, output, {"--server", endpoint_}));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err << server->err();
  EXPECT_EQ(mp4_files(output), names);
  for (const auto& event : events()) EXPECT_NE(event["kind"], "task_failed") << event;
  for (const auto& worker : workers()) {
    if (worker["hello"]["name"] == "good") {
      EXPECT_TRUE(worker["trouble"].empty()) << worker;
      continue;
    }
    ASSERT_EQ(worker["trouble"].size(), 1U) << worker;
    EXPECT_THAT(std::string(worker["trouble"][0]["last"]["message"]),
                AllOf(HasSubstr(disk.string()), HasSubstr("No space left on device")));
  }
}

// While the good worker is away the bad one is alone, and refuses all that is left.
TEST_F(DistributedTest, AWorkerThatIsStartedAgainBesideOneThatDoesNotSeeTheFolderCostsNoVideo) {
  const Words names = {"a.mp4", "b.mp4", "c.mp4"};
  make_clips(names);
  fs::create_directories(scratch_ / "elsewhere");
  const auto server = serve();
  auto good = worker("good");
  const auto bad = worker("bad", {"--roots", scratch_ / "elsewhere"});
  ASSERT_TRUE(eventually([&] { return are_ready(2); }, kPatience)) << bad->err();
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "6"}));
  ASSERT_TRUE(
      eventually([&] { return !running("encode_latents", 1).is_null(); }, kProcessPatience));
  good->signal(SIGTERM);
  EXPECT_EQ(good->wait(kProcessPatience).exit_code, 0);
  const auto all_refused = [&] {
    const Outcome why = coordinator({"task", "explain", "--server", endpoint_});
    return why.out.find("every worker's host refused it: ") != std::string::npos;
  };
  EXPECT_TRUE(eventually(all_refused, kProcessPatience)) << server->err();
  good = worker("good");
  const Outcome outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err << server->err();
  EXPECT_EQ(mp4_files(output), names);
  for (const auto& event : events()) EXPECT_NE(event["kind"], "task_failed") << event;
}

TEST_F(DistributedTest, AClipThatNoWorkersHostHasFailsWithTheHostsNamed) {
  make_clips({"a.mp4", "b.mp4"});
  const auto server = serve({"--lease-ms", "120000", "--refusal-grace-ms", "1000"});
  const auto one = worker("one");
  const auto other = worker("other");
  ASSERT_TRUE(eventually([&] { return are_ready(2); }, kPatience)) << other->err();
  for (const auto& stopped : {&one, &other}) (*stopped)->signal(SIGSTOP);
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_}));
  const auto is_there = [&] {
    return coordinator({"job", "info", "1", "--server", endpoint_}).exit_code == 0;
  };
  ASSERT_TRUE(eventually(is_there, kPatience)) << client->err();
  fs::remove(clips_ / "a.mp4");
  for (const auto& stopped : {&one, &other}) (*stopped)->signal(SIGCONT);
  const Outcome outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_EQ(mp4_files(output), Words{"b.mp4"});
  EXPECT_THAT(outcome.out + outcome.err,
              AllOf(HasSubstr((clips_ / "a.mp4").string() +
                              ": cannot be opened: No such file or directory"),
                    HasSubstr("one on "), HasSubstr("other on ")));
  for (const auto& worker : workers()) EXPECT_TRUE(worker["trouble"].empty()) << worker;
}

}  // namespace
}  // namespace mimicfleet::e2e
