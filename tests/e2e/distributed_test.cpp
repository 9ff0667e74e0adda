#include <signal.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

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

  // The step that the task of this kind which runs now has reached, -1 if none runs (or no job is there yet).
  int running_step(const std::string& kind) {
    const Outcome outcome =
        coordinator({"task", "list", "--job", "last", "--server", endpoint_, "--output-mode", "json"});
    std::istringstream lines(outcome.out);
    for (std::string line; outcome.exit_code == 0 && std::getline(lines, line);) {
      const auto task = Json::parse(line);
      if (task["state"] == "running" && task["spec"]["kind"] == kind) return task["progress"]["step"];
    }
    return -1;
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
  auto doomed = worker("doomed");
  const fs::path output = scratch_ / "out";
  const Words settings = {"--steps", "6"};
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "6"}));
  ASSERT_TRUE(eventually([&] { return running_step("encode_latents") >= 2; }))
      << doomed->err() << client->err();
  doomed->signal(SIGKILL);
  doomed->wait();
  const auto heir = worker("heir");
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << heir->err();
  int with_two = 0;
  for (const auto& [task, story] : stories()) {
    EXPECT_EQ(story.commits, 1) << task;
    EXPECT_LE(story.leases, 2) << task;
    if (story.leases == 2) ++with_two;
  }
  EXPECT_GE(with_two, 1);
  expect_same_as_embedded(output, settings, {"a.mp4", "b.mp4"});
}

TEST_F(DistributedTest, ACoordinatorKilledInTheMiddleGoesOnAfterARestart) {
  make_clips({"a.mp4", "b.mp4", "c.mp4"});
  auto server = serve();
  const auto only = worker("only");
  const fs::path output = scratch_ / "out";
  const auto client = start(submit(clips_, output, {"--server", endpoint_, "--steps", "4"}));
  ASSERT_TRUE(eventually([&] { return running_step("encode_latents") >= 1; }))
      << only->err() << client->err();
  server->signal(SIGKILL);
  server->wait();
  server = serve();  // the same address and state
  const Outcome outcome = client->wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << only->err();
  const auto all = stories();
  EXPECT_EQ(all.size(), 6U);
  for (const auto& [task, story] : all) EXPECT_EQ(story.commits, 1) << task;
  for (const char* name : {"a.mp4", "b.mp4", "c.mp4"}) EXPECT_FALSE(bytes(output / name).empty()) << name;
  expect_same_as_embedded(output, {"--steps", "4"}, {"a.mp4", "c.mp4"});
}

TEST_F(DistributedTest, AWorkerThatIsToldToTerminateHandsItsLeaseBackWithoutPenalty) {
  make_clips({"a.mp4"});
  const auto server = serve();
  auto leaving = worker("leaving");
  const auto client = start(submit(clips_, scratch_ / "out", {"--server", endpoint_, "--steps", "8"}));
  ASSERT_TRUE(eventually([&] { return running_step("encode_latents") >= 1; })) << leaving->err();
  leaving->signal(SIGTERM);
  EXPECT_EQ(leaving->wait(Seconds(30)).exit_code, 0);
  const auto staying = worker("staying");
  ASSERT_EQ(client->wait().exit_code, 0) << staying->err();
  for (const auto& event : events()) EXPECT_NE(event["kind"], "task_failed") << event;
}

}  // namespace
}  // namespace mimicfleet::e2e
