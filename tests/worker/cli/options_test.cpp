#include "worker/cli/options.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/host_name.h"
#include "worker/artefacts/data_port.h"

namespace mimicfleet::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

struct Parsed {
  std::optional<int> code;
  CommandLine line;
  std::string errors;
};

Parsed parse(std::vector<std::string> arguments) {
  std::vector<char*> argv = {const_cast<char*>("worker")};
  for (auto& argument : arguments) argv.push_back(argument.data());
  Parsed parsed;
  CaptureStderr();
  parsed.code = parse_command_line(static_cast<int>(argv.size()), argv.data(), parsed.line);
  parsed.errors = GetCapturedStderr();
  return parsed;
}

TEST(WorkerCommandLine, FlagsMayBeWrittenWithUnderscores) {
  const auto parsed =
      parse({"--models", "a", "b", "--feature_cache_dir=/x", "--exit_with_parent", "--kinds",
             "decode_video", "--threads", "3", "--precision", "bf16", "--fp8"});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_THAT(parsed.line.config.models, ElementsAre("a", "b"));
  EXPECT_EQ(parsed.line.config.cache.directory, "/x");
  EXPECT_TRUE(parsed.line.config.exit_with_parent);
  EXPECT_THAT(parsed.line.config.kinds, ElementsAre(jobs::TaskKind::kDecodeVideo));
  EXPECT_EQ(parsed.line.config.threads, 3);
  EXPECT_EQ(parsed.line.config.precision, jobs::Precision::kBf16);
  EXPECT_TRUE(parsed.line.config.needs_fp8);
}

TEST(WorkerCommandLine, TheFeatureCacheHasALimitThatPeopleCanWrite) {
  EXPECT_EQ(parse({}).line.config.cache.limit_bytes, 0U);
  EXPECT_EQ(parse({"--feature_cache_limit", "20G"}).line.config.cache.limit_bytes, 20'000'000'000U);
  const auto wrong = parse({"--feature-cache-limit", "much"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("--feature-cache-limit: 'much' is no size"));
}

TEST(WorkerCommandLine, TheCacheCommandsTakeADirectory) {
  const auto parsed =
      parse({"cache", "verify", "--feature_cache_dir", "/x", "--output-mode", "json"});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_EQ(parsed.line.cache.action, CacheCommand::Action::kVerify);
  EXPECT_EQ(parsed.line.config.cache.directory, "/x");
  EXPECT_TRUE(parsed.line.cache.json);
  const auto wrong = parse({"cache", "verfy"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("verify"));
}

TEST(WorkerCommandLine, TheDeviceMayBeNamedAsPyTorchDoes) {
  EXPECT_EQ(parse({"--device", "cuda"}).line.config.device, "cuda:0");
  EXPECT_EQ(parse({"--device", "CPU"}).line.config.device, "cpu");
}

TEST(WorkerCommandLine, AFeatureCacheCanBeRefused) {
  const auto parsed = parse({"--feature-cache-dir", ""});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_EQ(parsed.line.config.cache.directory, "");
}

TEST(WorkerCommandLine, IdleTimeHasADefault) {
  EXPECT_EQ(parse({}).line.config.session.leave_when_idle, std::nullopt);
  EXPECT_EQ(parse({"--exit-when-idle"}).line.config.session.leave_when_idle,
            std::chrono::seconds(60));
  EXPECT_EQ(parse({"--exit-when-idle", "5"}).line.config.session.leave_when_idle,
            std::chrono::seconds(5));
}

TEST(WorkerCommandLine, AMistypedFlagIsAnErrorThatNamesTheNearestOne) {
  const auto parsed = parse({"--cordinator", "tcp://x:1"});
  EXPECT_EQ(parsed.code, 2);
  EXPECT_THAT(parsed.errors, HasSubstr("--cordinator"));
  EXPECT_THAT(parsed.errors, HasSubstr("--coordinator"));
}

TEST(WorkerCommandLine, ValuesThatMakeNoSenseAreUsageErrors) {
  const std::vector<std::vector<std::string>> cases = {
      {"--device", "gpu"},         {"--device", "cuda:"},    {"--precision", "fp8"},
      {"--kinds", "encode"},       {"--threads", "0"},       {"--threads", "x"},
      {"--exit-when-idle", "-1"},  {"--advertise", "a:b:c"}, {"--advertise", "host:99999"},
      {"--advertise", "node7:80"}, {"unexpected"},           {"--models"}};
  for (const auto& arguments : cases) {
    const auto parsed = parse(arguments);
    EXPECT_EQ(parsed.code, 2) << arguments.at(0);
    EXPECT_THAT(parsed.errors, HasSubstr("error: "));
  }
}

TEST(WorkerCommandLine, HelpEndsWellAndShowsExamples) {
  CaptureStdout();
  const auto parsed = parse({"--help"});
  EXPECT_EQ(parsed.code, 0);
  EXPECT_THAT(GetCapturedStdout(), HasSubstr("examples:"));
}

TEST(DataPort, IsLoopbackUnlessToldOtherwise) {
  EXPECT_EQ(artefacts::data_port("", false)->bind_endpoint, "tcp://127.0.0.1:*");
  EXPECT_EQ(artefacts::data_port("localhost:7000", false)->bind_endpoint, "tcp://127.0.0.1:7000");
  EXPECT_FALSE(artefacts::data_port("node7", false).ok());
  const auto open = artefacts::data_port("node7", true);
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(open->bind_endpoint, "tcp://0.0.0.0:*");
  EXPECT_EQ(open->advertised_host, "node7");
}

TEST(MetricsEndpoint, IsTheHostsNameWhereTheyAreServedAtAllItsAddresses) {
  EXPECT_EQ(metrics_endpoint("127.0.0.1:9465", "node7"), "127.0.0.1:9465");
  EXPECT_EQ(metrics_endpoint("10.0.0.7:9465", "node7"), "10.0.0.7:9465");
  EXPECT_EQ(metrics_endpoint("0.0.0.0:9465", "node7"), "node7:9465");
  EXPECT_EQ(metrics_endpoint("[::]:9465", "node7"), "node7:9465");
  EXPECT_EQ(metrics_endpoint("0.0.0.0:9465", ""), host_name() + ":9465");
}

TEST(WorkerCommandLine, ANameThatIsNotUtf8IsRefused) {
  const auto parsed = parse({"--name", "caf\xe9"});
  EXPECT_EQ(parsed.code, 2);
  EXPECT_THAT(parsed.errors, HasSubstr("--name: 'caf\\xe9' is not UTF-8"));
}

// A settings file of a test, removed with it.
class SettingsFile {
 public:
  explicit SettingsFile(const std::string& text)
      : path_(::testing::TempDir() + "/worker_" + std::to_string(::getpid()) + "_" +
              std::to_string(count_++) + ".toml") {
    std::ofstream(path_) << text;
  }
  ~SettingsFile() { std::filesystem::remove(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::string path_;
};

TEST(WorkerConfigFile, SettingsComeFromTheFileAndFlagsWin) {
  const SettingsFile file(
      "coordinator = \"tcp://node1:5555\"\nmodels = [\"/srv/a\", \"/srv/b c\"]\ndevice = "
      "\"cuda:1\"\n"
      "feature_cache_limit = \"20G\"\nthreads = 3\nfp8 = true\nadvertise = "
      "\"node2:5571\"\ninsecure = true\n"
      "kinds = [\"decode_video\"]\nexit-when-idle = 7\n");
  const auto parsed = parse({"--config", file.path(), "--device", "cpu"});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_EQ(parsed.line.config.coordinator, "tcp://node1:5555");
  EXPECT_THAT(parsed.line.config.models, ElementsAre("/srv/a", "/srv/b c"));
  EXPECT_EQ(parsed.line.config.device, "cpu");
  EXPECT_EQ(parsed.line.config.cache.limit_bytes, 20'000'000'000u);
  EXPECT_EQ(parsed.line.config.threads, 3);
  EXPECT_TRUE(parsed.line.config.needs_fp8);
  EXPECT_EQ(parsed.line.config.advertise, "node2:5571");
  EXPECT_THAT(parsed.line.config.kinds, ElementsAre(jobs::TaskKind::kDecodeVideo));
  ASSERT_TRUE(parsed.line.config.session.leave_when_idle);
  EXPECT_EQ(parsed.line.config.session.leave_when_idle, std::chrono::seconds(7));
}

TEST(WorkerConfigFile, ALaterFileWins) {
  const SettingsFile all("device = \"cpu\"\nname = \"all\"\n");
  const SettingsFile one("name = \"one\"\n");
  const auto parsed = parse({"--config", all.path(), "--config", one.path()});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_EQ(parsed.line.config.name, "one");
  EXPECT_EQ(parsed.line.config.device, "cpu");
}

TEST(WorkerConfigFile, FalseLeavesAFlagOut) {
  const SettingsFile file("insecure = false\nmodels = []\n");
  const auto parsed = parse({"--config", file.path()});
  ASSERT_FALSE(parsed.code) << parsed.errors;
  EXPECT_FALSE(parsed.line.config.insecure);
}

TEST(WorkerConfigFile, MistakesNameFileLineAndKey) {
  for (const auto& [text, cause] : std::vector<std::pair<std::string, std::string>>{
           {"name = \"w\"\ndevise = \"cpu\"\n",
            ":2: 'devise' is no setting of `worker`; did you mean 'device'?"},
           {"threads = \"many\"\n", ":1: threads: 'many' is not a whole number of 1 to 1024"},
           {"name = [\"a\", \"b\"]\n", ":1: name: takes one value, no list"},
           {"insecure = \"perhaps\"\n", ":1: insecure: must be true or false"},
           {"config = \"other.toml\"\n", ":1: 'config' is no setting"},
           {"name = \"a\"\nfeature-cache-dir = \"a\"\nfeature_cache_dir = \"b\"\n",
            ":2: feature-cache-dir: is there twice"},
           {"[worker]\nname = \"a\"\n", ":1: 'worker' is a section"},
           {"name = w\n", ":1: this is not TOML"}}) {
    const SettingsFile file(text);
    const auto parsed = parse({"--config", file.path()});
    EXPECT_EQ(parsed.code, 2) << text;
    EXPECT_THAT(parsed.errors, HasSubstr(file.path() + cause)) << text;
  }
  EXPECT_THAT(parse({"--config", "/nonexistent/w.toml"}).errors, HasSubstr("/nonexistent/w.toml"));
}

}  // namespace
}  // namespace mimicfleet::worker
