#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/discovery/discovery.h"
#include "common/net/socket.h"
#include "common/wire/envelope.h"
#include "jobs/messages.h"
#include "tests/common/service/fake_service_manager.h"
#include "tests/e2e/process.h"
#include "tests/paths.h"
#include "tests/patience.h"

namespace mimicfleet::worker {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
namespace fs = std::filesystem;

const std::string kProgram = binary_path("bin/worker");
const std::string kModels = source_path("tests/goldens/pack_a/models");

// The built program, and a coordinator's socket in the test's hands.
class WorkerProgram : public ::testing::Test {
 protected:
  WorkerProgram() : router_(net::Socket::router("tcp://127.0.0.1:*").value()) {
    std::string folder = ::testing::TempDir() + "program.XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~WorkerProgram() override {
    worker_.reset();
    fs::remove_all(folder_);
  }

  void start(const std::string& models, std::vector<std::string> more = {},
             const e2e::Surroundings& surroundings = {}) {
    more.insert(more.end(), {"--coordinator", router_.endpoint(), "--models", models});
    start_with(std::move(more), surroundings);
  }
  void start_with(std::vector<std::string> more, const e2e::Surroundings& surroundings) {
    std::vector<std::string> command = {kProgram,
                                        "--device",
                                        "cpu",
                                        "--threads",
                                        "1",
                                        "--data-dir",
                                        folder_ + "/data",
                                        "--feature-cache-dir",
                                        folder_ + "/features"};
    command.insert(command.end(), more.begin(), more.end());
    worker_ = std::make_unique<e2e::Process>(command, folder_, surroundings);
  }
  // The next message of this type; hellos and heartbeats are answered on the way.
  template <typename T>
  T receive() {
    net::Socket* const sockets[] = {&router_};
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < give_up) {
      while (const auto received = router_.receive()) {
        const auto envelope = wire::open_envelope(received->frames.front()).value();
        const auto reply = [&](const auto& message) {
          EXPECT_TRUE(router_.send({wire::seal(message, envelope.request)}, received->peer).ok());
        };
        if (envelope.type == jobs::WorkerHello::kType) reply(jobs::WorkerWelcome{1, 200, 10000});
        if (envelope.type == jobs::WorkerHeartbeat::kType)
          reply(jobs::HeartbeatReply{1, {}, false, false});
        if (envelope.type == jobs::WorkerGoodbye::kType) reply(jobs::OkReply{});
        if (envelope.type == T::kType) return wire::body_as<T>(envelope).value();
      }
      net::wait_readable(sockets, {}, std::chrono::milliseconds(50));
    }
    ADD_FAILURE() << "no " << T::kType << "\n" << worker_->err();
    return {};
  }
  void wait_until_ready() {
    while (!HasFailure() && receive<jobs::WorkerHeartbeat>().state != jobs::WorkerState::kReady) {
    }
  }

  std::string folder_;
  net::Socket router_;
  std::unique_ptr<e2e::Process> worker_;
};

TEST_F(WorkerProgram, SaysHelloBeforeItHasAnythingAndBecomesReady) {
  start(kModels, {"--name", "tester"});
  const auto first = receive<jobs::WorkerHello>();
  EXPECT_EQ(first.name, "tester");
  EXPECT_TRUE(first.model_sets.empty());
  EXPECT_THAT(worker_->err(), HasSubstr("http://" + first.metrics_endpoint + "/metrics"));
  EXPECT_THAT(first.metrics_endpoint, HasSubstr("127.0.0.1:"));
  jobs::WorkerHello last = first;
  while (!HasFailure() && last.model_sets.empty()) last = receive<jobs::WorkerHello>();
  EXPECT_EQ(last.worker, first.worker);
  EXPECT_THAT(last.data_endpoint, HasSubstr("tcp://127.0.0.1:"));
  EXPECT_EQ(last.numerics.precision, "fp32");
  EXPECT_EQ(last.numerics.threads, 1);
  EXPECT_EQ(last.device, "cpu");
  wait_until_ready();
}

TEST_F(WorkerProgram, WhereItsMetricsAreAndItsSlurmJobAreInItsHello) {
  start(kModels, {"--metrics", "0.0.0.0:0", "--advertise", "node7.example", "--insecure"},
        {.environment = {"SLURM_JOB_ID=4711"}});
  const auto hello = receive<jobs::WorkerHello>();
  EXPECT_THAT(hello.metrics_endpoint, StartsWith("node7.example:"));
  EXPECT_EQ(hello.slurm_job_id, "4711");
}

TEST_F(WorkerProgram, WithoutMetricsItNamesNone) {
  start(kModels, {"--metrics", "off"});
  EXPECT_EQ(receive<jobs::WorkerHello>().metrics_endpoint, "");
}

TEST_F(WorkerProgram, ThatItHasToyModelsIsSaidFirst) {
  start_with({"--coordinator", router_.endpoint()}, {});
  receive<jobs::WorkerHello>();
  const std::string err = worker_->err();
  EXPECT_THAT(err.substr(0, err.find('\n')), AllOf(HasSubstr("--models"), HasSubstr("toy models")));
}

TEST_F(WorkerProgram, ASignalEndsItInGoodOrder) {
  start(kModels);
  wait_until_ready();
  worker_->signal(SIGTERM);
  receive<jobs::WorkerGoodbye>();
  EXPECT_EQ(worker_->wait().exit_code, 0);
}

TEST_F(WorkerProgram, AsAServiceItTakesItsSettingsFromAFileAndTellsHowItStands) {
  service::FakeServiceManager systemd;
  const std::string config = folder_ + "/worker.toml";
  std::ofstream(config) << "coordinator = \"" << router_.endpoint() << "\"\nmodels = [\"" << kModels
                        << "\"]\nname = \"gpu 7\"\ndrain-on-stop = 60\n";
  start_with({"--config", config},
             {.environment = {"NOTIFY_SOCKET=" + systemd.path(), "WATCHDOG_USEC=2000000"}});
  EXPECT_EQ(receive<jobs::WorkerHello>().name, "gpu 7");
  wait_until_ready();
  EXPECT_TRUE(e2e::eventually([&] {
    return ::testing::Matches(::testing::IsSupersetOf(
        {"READY=1", "STATUS=loading models; idle", "STATUS=idle", "WATCHDOG=1"}))(systemd.heard());
  })) << ::testing::PrintToString(systemd.heard());
  worker_->signal(SIGTERM);
  receive<jobs::WorkerGoodbye>();
  EXPECT_EQ(worker_->wait().exit_code, 0);
  EXPECT_THAT(systemd.heard(), ::testing::Contains("STOPPING=1"));
}

TEST_F(WorkerProgram, UnderNohupAHangupChangesNothing) {
  start(kModels, {}, {.ignores_hangup = true});
  wait_until_ready();
  worker_->signal(SIGHUP);
  for (int beats = 0; beats < 3; ++beats) receive<jobs::WorkerHeartbeat>();
  worker_->signal(SIGTERM);
  receive<jobs::WorkerGoodbye>();
  EXPECT_EQ(worker_->wait().exit_code, 0);
}

TEST_F(WorkerProgram, AMissingModelFileEndsItWithOneLineThatNamesIt) {
  fs::create_directory(folder_ + "/models");
  fs::create_directory_symlink(kModels + "/svd", folder_ + "/models/svd");
  fs::create_directory_symlink(kModels + "/DWPose", folder_ + "/models/DWPose");
  start(folder_ + "/models");
  receive<jobs::WorkerGoodbye>();
  const auto outcome = worker_->wait();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr(folder_ + "/models/MimicMotion_1-1.pth"));
  EXPECT_THAT(outcome.err, HasSubstr("https://"));
}

TEST_F(WorkerProgram, WeightsOfAnotherShapeEndItWithOneLineThatNamesFileTensorAndRemedy) {
  fs::copy(kModels, folder_ + "/models", fs::copy_options::recursive);
  const std::string vae = folder_ + "/models/svd/vae/diffusion_pytorch_model.fp16.safetensors";
  std::ifstream in(vae, std::ios::binary);
  std::string weights{std::istreambuf_iterator<char>(in), {}};
  const std::string shape = "[64,4,3,3]";
  const auto place = weights.find(shape);
  ASSERT_NE(place, std::string::npos);
  fs::remove(vae);
  std::ofstream(vae, std::ios::binary) << weights.replace(place, shape.size(), "[4,64,3,3]");
  start(folder_ + "/models");
  receive<jobs::WorkerGoodbye>();
  const auto outcome = worker_->wait();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr(vae + ": these are not the weights of the autoencoder"));
  EXPECT_THAT(
      outcome.err,
      HasSubstr("decoder.conv_in.weight [4, 64, 3, 3] instead of [64, 4, 3, 3]; take both"));
}

TEST_F(WorkerProgram, ItsMetricsAreWhatPromtoolAccepts) {
  start(kModels);
  wait_until_ready();
  const std::string err = worker_->err();
  const auto url = err.find("http://");
  ASSERT_NE(url, std::string::npos) << err;
  const std::string address = err.substr(url, err.find('\n', url) - url);
  const std::string check =
      "python3 -c \"import urllib.request as u; print(u.urlopen('" + address +
      "').read().decode(), end='')\" > " + folder_ + "/metrics && promtool check metrics < " +
      folder_ + "/metrics && grep -q '^mimicfleet_model_loads_total 1' " + folder_ + "/metrics";
  EXPECT_EQ(std::system((check + " 1>&2").c_str()), 0);
}

TEST_F(WorkerProgram, ACoordinatorThatComesBackElsewhereIsFound) {
  const std::string file = folder_ + "/mimicfleet/server.json";
  ASSERT_TRUE(discovery::write_server_file({router_.endpoint(), ::getpid()}, file).ok());
  start_with({"--models", kModels},
             {.environment = {"XDG_STATE_HOME=" + folder_, "MIMICFLEET_SERVER="}});
  wait_until_ready();
  auto elsewhere = net::Socket::router("tcp://127.0.0.1:*").value();
  ASSERT_NE(elsewhere.endpoint(), router_.endpoint());
  ASSERT_TRUE(discovery::write_server_file({elsewhere.endpoint(), ::getpid()}, file).ok());
  router_ = std::move(elsewhere);
  receive<jobs::WorkerHello>();
  wait_until_ready();
}

TEST_F(WorkerProgram, AServerThatOnlyAnotherHostReachesIsNone) {
  const std::string file = folder_ + "/mimicfleet/server.json";
  ASSERT_TRUE(discovery::write_server_file({router_.endpoint(), ::getpid(), "node7"}, file).ok());
  start_with({"--models", kModels},
             {.environment = {"XDG_STATE_HOME=" + folder_, "MIMICFLEET_SERVER="}});
  const auto outcome = worker_->wait();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err,
              HasSubstr("names a server on node7 which listens there for programs of node7 only"));
}

TEST_F(WorkerProgram, WithoutACoordinatorOrWithAWrongFlagItSaysSo) {
  const e2e::Surroundings home = {.environment = {"HOME=" + folder_}};
  const auto nobody = e2e::Process({kProgram, "--models", kModels}, folder_, home).wait();
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_THAT(nobody.err, HasSubstr("coordinator serve"));
  const auto mistyped = e2e::Process({kProgram, "--modles", kModels}, folder_, home).wait();
  EXPECT_EQ(mistyped.exit_code, 2);
  EXPECT_THAT(mistyped.err, HasSubstr("--models"));
  EXPECT_THAT(mistyped.err, Not(HasSubstr("\n\n")));
}

}  // namespace
}  // namespace mimicfleet::worker
