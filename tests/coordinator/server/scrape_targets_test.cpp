#include "coordinator/server/scrape_targets.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json/json.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ScrapeTargetsTest : public testing::Test {
 protected:
  ScrapeTargetsTest()
      : folder_(fs::path(testing::TempDir()) / ("targets." + to_string(new_id<JobId>()))) {
    fs::create_directories(folder_);
  }
  ~ScrapeTargetsTest() override { fs::remove_all(folder_); }

  WorkerId join(const std::string& name, const std::string& host, const std::string& metrics) {
    auto hello = fleet_.hello(name);
    hello.host = host;
    hello.device = "cuda:0";
    hello.metrics_endpoint = metrics;
    hello.slurm_job_id = "17";
    fleet_.input(hello);
    return hello.worker;
  }
  std::vector<std::string> addresses() const {
    std::vector<std::string> found;
    for (const auto& target : scrape_targets(fleet_.state, "here")) found.push_back(target.address);
    return found;
  }
  static std::string bytes(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void look(ScrapeTargets& targets) { targets.look(fleet_.state, fleet_.clock.now()); }

  fs::path folder_;
  Fleet fleet_;
};

TEST_F(ScrapeTargetsTest, AWorkersEndpointComesWithItsLabels) {
  join("w1", "node1", "node1:9465");
  EXPECT_EQ(discovery_json(scrape_targets(fleet_.state, "here")), R"([
  {
    "targets": [
      "node1:9465"
    ],
    "labels": {
      "worker": "w1",
      "host": "node1",
      "device": "cuda:0",
      "slurm_job_id": "17"
    }
  }
]
)");
}

TEST_F(ScrapeTargetsTest, OnlyWhatPrometheusCanReachIsNamed) {
  join("off", "here", "");
  join("own", "here", "127.0.0.1:9001");
  join("far", "there", "127.0.0.1:9002");
  join("too far", "there", "localhost:9003");
  join("six", "there", "[::1]:9004");
  join("named", "there", "there.example:9005");
  join("of six", "there", "[fe80::1]:9006");
  EXPECT_THAT(addresses(), ElementsAre("127.0.0.1:9001", "[fe80::1]:9006", "there.example:9005"));
}

// One such address would cost Prometheus the whole list.
TEST_F(ScrapeTargetsTest, WhatIsNoAddressIsLeftOut) {
  for (const char* endpoint :
       {"9465", ":9465", "node1:", "node1:0", "node1:65536", "node1:http", "node1:94 65",
        "http://node1:9465", "node1:9465/metrics", "a b:1", "a\nb:1", "a\"b:1", "ä:1", "[]:1",
        "[x]:1", "::1:9465", "0.0.0.0:9465", "[::]:9465", "node1:+1"}) {
    join("w", "here", endpoint);
  }
  EXPECT_THAT(addresses(), IsEmpty());
}

TEST_F(ScrapeTargetsTest, NamesOfStrangersAreEscaped) {
  const std::string name = "\"}],\\\n\t<w>\x01 \xc3\xa4";
  join(name, "node1", "node1:1");
  const std::string text = discovery_json(scrape_targets(fleet_.state, "here"));
  const auto parsed = json::parse(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status() << text;
  const auto& groups = *parsed->get_if<wire::Array>();
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(*groups[0].find("labels")->find("worker"), wire::Value(name));
}

TEST_F(ScrapeTargetsTest, TheSuccessorOfAWorkerTakesItsAddressOver) {
  join("old", "node1", "node1:9465");
  fleet_.clock.advance(seconds(1));
  join("new", "node1", "node1:9465");
  const auto targets = scrape_targets(fleet_.state, "here");
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].worker, "new");
}

TEST_F(ScrapeTargetsTest, TheFileSaysWhatTheAnswerSaysAndAnybodyMayReadIt) {
  const fs::path file = folder_ / "new/workers.json";
  const auto old_mask = ::umask(077);
  ASSERT_TRUE(ScrapeTargets::prepare(file).ok());
  ScrapeTargets targets(file, "here");
  EXPECT_EQ(targets.json(), std::nullopt);
  look(targets);
  EXPECT_EQ(bytes(file), "[]\n");
  const WorkerId worker = join("w", "node1", "node1:1");
  look(targets);
  EXPECT_THAT(bytes(file), HasSubstr("node1:1"));
  EXPECT_EQ(bytes(file), targets.json());
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644U);
  ASSERT_EQ(::stat(file.parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0755U);
  fleet_.input(jobs::WorkerGoodbye{worker});
  look(targets);
  EXPECT_EQ(bytes(file), "[]\n");
  ::umask(old_mask);
}

TEST_F(ScrapeTargetsTest, TheFileIsWrittenOnlyWhenSomethingChanged) {
  const fs::path file = folder_ / "workers.json";
  ScrapeTargets targets(file, "here");
  join("w", "node1", "node1:1");
  look(targets);
  fs::remove(file);
  look(targets);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(ScrapeTargetsTest, AFileThatCannotBeWrittenIsTriedAgain) {
  const fs::path file = folder_ / "sub/workers.json";
  ScrapeTargets targets(file, "here");
  look(targets);
  EXPECT_EQ(targets.json(), "[]\n");
  fs::create_directories(file.parent_path());
  fleet_.clock.advance(seconds(10));
  look(targets);
  EXPECT_EQ(bytes(file), "[]\n");
}

TEST_F(ScrapeTargetsTest, AfterARestartNothingIsSaidUntilWorkersHadTheTimeToComeBack) {
  const fs::path file = folder_ / "workers.json";
  std::ofstream(file) << "of before";
  fleet_.restart();
  ScrapeTargets targets(file, "here");
  look(targets);
  fleet_.clock.advance(seconds(2));
  join("w", "node1", "node1:1");
  look(targets);
  EXPECT_EQ(targets.json(), std::nullopt);
  EXPECT_EQ(bytes(file), "of before");
  fleet_.clock.advance(seconds(8));
  look(targets);
  EXPECT_THAT(bytes(file), HasSubstr("node1:1"));
}

TEST_F(ScrapeTargetsTest, AFileThatPrometheusWouldNotReadOrThatCannotBeMadeIsRefused) {
  EXPECT_TRUE(ScrapeTargets::prepare("").ok());
  for (const char* name : {"workers", "workers.txt", ".json"}) {
    const Status status = ScrapeTargets::prepare(folder_ / name);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(".json"));
  }
  std::ofstream(folder_ / "file") << "x";
  const Status status = ScrapeTargets::prepare(folder_ / "file/workers.json");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("file/workers.json"));
  fs::create_directories(folder_ / "folder.json");
  EXPECT_EQ(ScrapeTargets::prepare(folder_ / "folder.json").code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mimicfleet::coordinator
