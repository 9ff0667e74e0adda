#include <unistd.h>

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/discovery/discovery.h"
#include "coordinator/client/embedded/cluster_options.h"
#include "coordinator/client/run/find_server.h"
#include "tests/temporary_folder.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class Target : public ::testing::Test {
 protected:
  Target() {
    ::unsetenv("MIMICFLEET_SERVER");
    ::setenv("XDG_STATE_HOME", folder_.path().c_str(), 1);
  }
  ~Target() override { ::unsetenv("XDG_STATE_HOME"); }

  PlannedClip clip(const std::string& video, const std::string& reference,
                   std::string reason = "not made yet") {
    PlannedClip planned;
    planned.plan.video.path = video;
    planned.plan.reference.path = reference;
    planned.reason = std::move(reason);
    return planned;
  }
  // What a flag of the workers says; empty: they do not get it.
  static std::string flag(const ClusterOptions& cluster, const std::string& name) {
    const auto& flags = cluster.worker_flags;
    const auto at = std::find(flags.begin(), flags.end(), name);
    return at == flags.end() || at + 1 == flags.end() ? "" : *(at + 1);
  }
  TemporaryFolder folder_;
};

TEST_F(Target, AFlagComesBeforeTheEnvironmentAndThatBeforeTheServerFile) {
  EXPECT_EQ(*find_target(""), std::nullopt);
  ASSERT_TRUE(discovery::write_server_file({"tcp://file:1", ::getpid()}).ok());
  EXPECT_EQ(*find_target(""), "tcp://file:1");
  ::setenv("MIMICFLEET_SERVER", "tcp://environment:1", 1);
  EXPECT_EQ(*find_target(""), "tcp://environment:1");
  EXPECT_EQ(*find_target("tcp://flag:1"), "tcp://flag:1");
  EXPECT_EQ(*find_target("embedded"), std::nullopt);
  ::unsetenv("MIMICFLEET_SERVER");
}

TEST_F(Target, AServerFileOfAProcessThatIsGoneIsNotUsed) {
  ASSERT_TRUE(discovery::write_server_file({"tcp://file:1", 0x7ffffff0}).ok());
  EXPECT_EQ(*find_target(""), std::nullopt);
  EXPECT_THAT(connect_to_server("", nullptr).status().message(), HasSubstr("no server is known"));
}

TEST_F(Target, AProcessOfAnotherHostIsNotLookedForHere) {
  ASSERT_TRUE(discovery::write_server_file({"tcp://10.0.0.7:1", 0x7ffffff0, "node7"}).ok());
  EXPECT_EQ(*find_target(""), "tcp://10.0.0.7:1");
}

TEST_F(Target, ALoopbackOfAnotherHostIsNotUsed) {
  ASSERT_TRUE(discovery::write_server_file({"tcp://127.0.0.1:1", ::getpid(), "node7"}).ok());
  EXPECT_EQ(*find_target(""), std::nullopt);
}

TEST_F(Target, WorkersMayOpenTheFoldersOfWhatTheyNeedAndNoOthers) {
  RunPlan plan;
  plan.clips = {clip("/in/x/a.mp4", "/pictures/r.png"), clip("/in/b.mp4", "/pictures/r.png"),
                clip("/in-other/c.mp4", "/pictures/r.png"),
                clip("/done/d.mp4", "/pictures/r.png", "")};
  EXPECT_THAT(enclosing_folders(plan, "/out"),
              ElementsAre("/in", "/in-other", "/out", "/pictures"));
  plan.clips[0].plan.parameters.loras = {{{"/loras/a.safetensors", {}, 1}, 1}};
  plan.clips[1].plan.parameters.unet_overlay = jobs::FileRef{"/unets/b.safetensors", {}, 1};
  EXPECT_THAT(enclosing_folders(plan, "/out"),
              ElementsAre("/in", "/in-other", "/loras", "/out", "/pictures", "/unets"));
}

TEST_F(Target, VeryManyFoldersBecomeTheirParents) {
  RunPlan plan;
  for (int i = 0; i < 1000; ++i)
    plan.clips.push_back(clip("/in/" + std::to_string(i) + "/a.mp4", "/in/r/r.png"));
  EXPECT_THAT(enclosing_folders(plan, "/out/x"), SizeIs(::testing::Le(200U)));
}

TEST_F(Target, OneRunHasOnePrecision) {
  const auto folder = OutputFolder::prepare(folder_ / "out", 1, 1);
  RunPlan plan;
  plan.models.files.emplace();
  plan.clips = {clip("/in/a.mp4", "/r.png"), clip("/in/b.mp4", "/r.png")};
  plan.clips[0].plan.parameters.precision = jobs::Precision::kBf16;
  EXPECT_EQ(flag(*cluster_options(plan, *folder, {}), "--precision"), "bf16");
  plan.clips[1].plan.parameters.precision = jobs::Precision::kFp32;
  EXPECT_THAT(cluster_options(plan, *folder, {}).status().message(),
              HasSubstr("the clips ask for different precisions (bf16, fp32)"));
}

TEST_F(Target, WorkersAreToldWhatTheirDevicesHaveToDo) {
  const auto folder = OutputFolder::prepare(folder_ / "out", 1, 1);
  RunPlan plan;
  plan.models.files.emplace();
  plan.clips = {clip("/in/a.mp4", "/r.png"), clip("/in/b.mp4", "/r.png")};
  EXPECT_THAT(cluster_options(plan, *folder, {})->worker_flags, Not(Contains("--fp8")));
  plan.clips[1].plan.parameters.fp8 = true;
  EXPECT_THAT(cluster_options(plan, *folder, {})->worker_flags, Contains("--fp8"));
  plan.clips[1].reason.clear();  // it is there already
  EXPECT_THAT(cluster_options(plan, *folder, {})->worker_flags, Not(Contains("--fp8")));
}

TEST_F(Target, WorkersShareTheCores) {
  const auto folder = OutputFolder::prepare(folder_ / "out", 1, 1);
  RunPlan plan;
  plan.models.files.emplace();
  EmbeddedOptions options;
  options.device = "cpu";
  options.workers = 1000;
  EXPECT_EQ(flag(*cluster_options(plan, *folder, options), "--threads"), "1");
  options.threads = 3;
  EXPECT_EQ(flag(*cluster_options(plan, *folder, options), "--threads"), "3");
}

TEST_F(Target, WorkersGetTheFlagsThatTheyShareWithEmbeddedRuns) {
  const auto folder = OutputFolder::prepare(folder_ / "out", 1, 1);
  RunPlan plan;
  plan.models.files.emplace();
  plan.clips = {clip("/in/a.mp4", "/pictures/r.png")};
  EmbeddedOptions options;
  const auto by_default = cluster_options(plan, *folder, options);
  EXPECT_TRUE(flag(*by_default, "--feature-cache-dir").ends_with("/features"));
  EXPECT_THAT(by_default->worker_flags, Not(Contains("--feature-cache-limit")));
  for (const auto& shared : kWorkerFlags) options.*shared.value = "/x";
  const auto chosen = cluster_options(plan, *folder, options);
  for (const auto& shared : kWorkerFlags) EXPECT_EQ(flag(*chosen, shared.name), "/x");
  EXPECT_EQ(flag(*chosen, "--roots"), "/in");
}

}  // namespace
}  // namespace mimicfleet::coordinator
