#include "coordinator/client/embedded/cluster.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/read_text.h"
#include "tests/common/model_files/fake_models.h"
#include "tests/patience.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr const char* kCoordinator =
    "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\necho '{\"endpoint\":\"tcp://127.0.0.1:1234\"}' "
    ">&3\nexec 3>&-\n"
    "exec sleep 1000\n";
constexpr const char* kWorker = "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\nexec sleep 1000\n";

// Clusters of scripts that stand for the two programs.
class EmbeddedCluster : public ::testing::Test {
 protected:
  EmbeddedCluster() {
    program("coordinator", kCoordinator);
    program("worker", kWorker);
    options_.programs = folder_.path();
    options_.run_folder = folder_ / "run";
    options_.models = "/models";
    options_.devices = {"cpu"};
    options_.worker_flags = {"--precision", "fp32", "--threads", "2", "--roots", "/in"};
  }

  void program(const std::string& name, const std::string& script) {
    put(folder_, name, script);
    std::filesystem::permissions(folder_ / name, std::filesystem::perms(0755));
  }
  // The arguments of each start of a program, a line each; waits until it was started `times`
  // times.
  std::string calls_of(const std::string& name, std::ptrdiff_t times = 1) {
    const Instant give_up = SteadyClock().now() + kPatience;
    for (;;) {
      const std::string calls = read_text(folder_ / name + ".calls", 10'000).value_or("");
      const bool there = std::count(calls.begin(), calls.end(), '\n') >= times;
      if (there || SteadyClock().now() > give_up) return calls;
    }
  }
  void start() {
    auto cluster = Cluster::start(options_);
    ASSERT_TRUE(cluster.ok()) << cluster.status();
    cluster_ = *std::move(cluster);
  }
  // Our children that run, but for the coordinator, which is known by its log.
  [[nodiscard]] std::vector<pid_t> worker_pids() const {
    std::vector<pid_t> pids;
    for (const auto& process : std::filesystem::directory_iterator("/proc")) {
      const std::string stat = read_text(process.path() / "stat", 4096).value_or("");
      const std::size_t name_end = stat.rfind(") ");
      if (name_end == std::string::npos) continue;  // no process, or one that is gone
      const char state = stat[name_end + 2];
      const pid_t parent = std::stoi(stat.substr(name_end + 4));
      if (parent != ::getpid() || state == 'Z' || state == 'X') continue;
      std::error_code gone;
      const auto log = std::filesystem::read_symlink(process.path() / "fd/2", gone);
      if (log.filename() != "coordinator.log") pids.push_back(std::stoi(process.path().filename()));
    }
    return pids;
  }
  // Lets a worker's crashes be noticed and the pauses between them pass, until there is nothing to
  // be done.
  Status supervise_through(int crashes) {
    Status status;
    for (int i = 0; i < crashes && status.ok(); ++i) {
      while (status.ok() && !worker_pids().empty()) {
      }
      status = cluster_->supervise(0, now_);
      now_ += std::chrono::minutes(1);
      if (status.ok()) status = cluster_->supervise(0, now_);
    }
    return status;
  }

  TemporaryFolder folder_;
  ClusterOptions options_;
  std::unique_ptr<Cluster> cluster_;
  Instant now_ = SteadyClock().now();
};

TEST_F(EmbeddedCluster, StartsACoordinatorOnAFreePortAndWorkersThatKnowIt) {
  options_.devices = {"cuda:0", "cuda:1"};
  start();
  EXPECT_EQ(cluster_->endpoint(), "tcp://127.0.0.1:1234");
  EXPECT_EQ(calls_of("coordinator"), "serve --state-dir " + options_.run_folder +
                                         "/state --metrics 127.0.0.1:0 --file-sd off "
                                         "--no-discovery --exit-with-parent --refusal-grace-ms 0 "
                                         "--ready-fd 3 "
                                         "--listen tcp://127.0.0.1:*\n");
  EXPECT_THAT(worker_pids(), SizeIs(2));
  EXPECT_THAT(calls_of("worker", 2),
              AllOf(HasSubstr("--coordinator tcp://127.0.0.1:1234 --models /models --data-dir " +
                              options_.run_folder +
                              "/worker-1 --device cuda:1 --metrics 127.0.0.1:0 --name worker-1 "
                              "--exit-with-parent --precision fp32 --threads 2 --roots /in"),
                    HasSubstr("--device cuda:0 ")));
}

TEST_F(EmbeddedCluster, ACoordinatorThatDoesNotStartIsExplainedByItsLog) {
  program(
      "coordinator",
      "#!/bin/sh\necho '2024-05-01 12:00:00 error [coordinator 1] state: is locked' >&2\nexit 1\n");
  const auto cluster = Cluster::start(options_);
  EXPECT_THAT(cluster.status().message(), AllOf(HasSubstr("did not start: state: is locked"),
                                                HasSubstr("run/logs/coordinator.log")));
}

TEST_F(EmbeddedCluster, AMissingWorkerProgramIsNamed) {
  std::filesystem::remove(folder_ / "worker");
  EXPECT_THAT(Cluster::start(options_).status().message(), HasSubstr(folder_ / "worker"));
}

TEST_F(EmbeddedCluster, AWorkerThatCrashesIsStartedAgainAfterAPause) {
  start();
  const pid_t first = worker_pids().at(0);
  ::kill(first, SIGKILL);
  while (!worker_pids().empty()) {
  }
  ASSERT_TRUE(cluster_->supervise(0, now_).ok());
  ASSERT_TRUE(cluster_->supervise(0, now_).ok());
  EXPECT_THAT(worker_pids(), SizeIs(0));
  ASSERT_TRUE(cluster_->supervise(0, now_ + std::chrono::seconds(1)).ok());
  ASSERT_THAT(worker_pids(), SizeIs(1));
  EXPECT_NE(worker_pids()[0], first);
}

TEST_F(EmbeddedCluster, AWorkerThatCrashesAgainAndAgainEndsTheRunWithItsLastError) {
  program(
      "worker",
      "#!/bin/sh\necho '2024-05-01 12:00:00 error [worker 1] vae: has NaN weights' >&2\nexit 1\n");
  start();
  const Status status = supervise_through(10);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("worker-0 exited with 1: vae: has NaN weights"),
                                      HasSubstr("run/logs/worker-0.log")));
}

TEST_F(EmbeddedCluster, AModelFileIsNamedAsTheUserKnowsIt) {
  options_.models = folder_ / "models";
  std::filesystem::create_directory(options_.models);
  std::filesystem::create_symlink("/weights/MimicMotion_1-0.pth",
                                  options_.models + "/MimicMotion_1-1.pth");
  program("worker", "#!/bin/sh\necho \"2024-05-01 12:00:00 error [worker 1] " + options_.models +
                        "/MimicMotion_1-1.pth: it is cut off\" >&2\nexit 4\n");
  start();
  EXPECT_THAT(supervise_through(10).message(),
              HasSubstr(": /weights/MimicMotion_1-0.pth: it is cut off"));
}

class AWorkerThatCannotWork : public EmbeddedCluster,
                              public ::testing::WithParamInterface<const char*> {};

TEST_P(AWorkerThatCannotWork, IsNotTriedAgain) {
  const std::string code = GetParam();  // flags that it does not know; models that it cannot use
  program("worker",
          "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\necho 'error: no use' >&2\nexit " + code + "\n");
  start();
  EXPECT_THAT(supervise_through(10).message(), HasSubstr("worker-0 exited with " + code + ": "));
  const std::string calls = calls_of("worker");
  EXPECT_EQ(std::count(calls.begin(), calls.end(), '\n'), 1);
}

INSTANTIATE_TEST_SUITE_P(EmbeddedCluster, AWorkerThatCannotWork, ::testing::Values("2", "4"));

TEST_F(EmbeddedCluster, ProgressForgivesEarlierCrashes) {
  program("worker", "#!/bin/sh\nexit 1\n");
  start();
  for (std::size_t ended = 1; ended < 20; ++ended) {
    while (!worker_pids().empty()) {
    }
    ASSERT_TRUE(cluster_->supervise(ended, now_).ok());
    now_ += std::chrono::minutes(1);
    ASSERT_TRUE(cluster_->supervise(ended, now_).ok());
  }
}

TEST_F(EmbeddedCluster, ACoordinatorThatCrashesComesBackWhereItWas) {
  const std::string pid_file = folder_ / "pid";
  program("coordinator",
          std::string("#!/bin/sh\necho \"$@\" >> \"$0.calls\"\necho $$ > ") + pid_file +
              "\necho '{\"endpoint\":\"tcp://127.0.0.1:1234\"}' >&3\nexec 3>&-\nexec sleep 1000\n");
  start();
  const auto pid = static_cast<pid_t>(std::stol(*read_text(pid_file, 100)));
  ::kill(pid, SIGKILL);
  for (Status status; status.ok() && std::stol(*read_text(pid_file, 100)) == pid;
       now_ += std::chrono::seconds(1)) {
    status = cluster_->supervise(0, now_);
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_THAT(calls_of("coordinator", 2), HasSubstr("--listen tcp://127.0.0.1:1234\n"));
}

TEST_F(EmbeddedCluster, WhatDoesNotStopInTimeIsKilled) {
  program("worker", "#!/bin/sh\ntrap '' TERM\nsleep 1000 & wait; wait\n");
  start();
  const pid_t worker = worker_pids().at(0);
  cluster_->stop(std::chrono::milliseconds(20));
  EXPECT_EQ(::kill(worker, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

}  // namespace
}  // namespace mimicfleet::coordinator
