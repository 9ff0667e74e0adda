#include <signal.h>

#include <filesystem>

#include "common/json/json.h"
#include "tests/coordinator/cli/cli_test_base.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// A server with a fake worker that has the models.
class OnAServer : public CommandLine {
 protected:
  void SetUp() override {
    server_ = start({"serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "off"});
    const std::string file = "home/.local/state/mimicfleet/server.json";
    ASSERT_TRUE(e2e::eventually([&] { return !read(file).empty(); })) << server_->err();
    const auto document = json::parse(read(file));
    endpoint_ = *document->find("endpoint")->get_if<std::string>();
    worker_ = std::make_unique<e2e::Process>(
        Words{binary_path("tests/fake_worker"), "--coordinator", endpoint_, "--models", folder_ / "models",
              "--name", "w1", "--device", "cpu", "--precision", "auto"},
        folder_.path());
    ASSERT_TRUE(e2e::eventually([&] { return run({"worker", "list"}).out.find("w1") != std::string::npos; }));
  }
  std::string out(Words words, int code = 0) {
    const auto outcome = run(std::move(words));
    EXPECT_EQ(outcome.exit_code, code) << outcome.out << outcome.err;
    return outcome.out;
  }

  std::unique_ptr<e2e::Process> server_;
  std::unique_ptr<e2e::Process> worker_;
  std::string endpoint_;
};

TEST_F(OnAServer, SubmitFindsTheServerAndItsModelsAndWaits) {
  const auto outcome = run(
      {"submit", folder_ / "videos", "--ref-image", folder_ / "ref.png", "--output-dir", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("videos      2 done\n"), HasSubstr("models      models\n")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/_run/state"));
  EXPECT_THAT(read("out/_run/events.jsonl"), Not(HasSubstr("worker_joined")));
}

TEST_F(OnAServer, AJobIsFollowedFromOtherCommands) {
  put(folder_, "videos/bad.mp4", "x");
  EXPECT_EQ(out(submit({"--no-wait"})), "job 1 submitted: 3 videos\n");
  EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("2/3, 1 failed"));
  EXPECT_THAT(out({"job", "list"}), AllOf(HasSubstr("JOB  STATE"), HasSubstr("failed")));
  EXPECT_THAT(
      out({"job", "info", "1"}),
      AllOf(HasSubstr("state       failed"), HasSubstr("failed      bad: " + (folder_ / "videos/bad.mp4"))));
  EXPECT_THAT(out({"task", "list"}), AllOf(HasSubstr("encode_latents"), HasSubstr("w1")));
  EXPECT_THAT(out({"task", "explain", "bad"}), HasSubstr("encode_latents of bad"));
  EXPECT_THAT(out({"job", "events", "1"}), AllOf(HasSubstr("job_submitted"), HasSubstr("job_ended")));
  EXPECT_THAT(out({"worker", "list", "--output-mode", "json"}), HasSubstr("\"name\": \"w1\""));
  const auto list = json::read<jobs::JobList>(out({"job", "list", "last", "--output-mode", "json"}));
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->jobs.at(0).videos.failed, 1U);
}

TEST_F(OnAServer, JsonNamesJobsByNumberAndTimesAreRfc3339) {
  const Words as_json = {"--output-mode", "json"};
  const auto with_json = [&](Words words) {
    words.insert(words.end(), as_json.begin(), as_json.end());
    return out(std::move(words));
  };
  const auto queued = json::read<RunSummary>(with_json(submit({"--no-wait"})));
  ASSERT_TRUE(queued.ok()) << queued.status();
  EXPECT_EQ(queued->job, 1U);
  EXPECT_EQ(states(*queued), (Words{"a: pending", "b: pending"}));
  out({"job", "wait", "1"});
  const auto nothing = json::read<RunSummary>(with_json(submit({"--no-wait"})));
  ASSERT_TRUE(nothing.ok()) << "the same document when nothing is to be done";
  EXPECT_EQ(states(*nothing), (Words{"a: skipped", "b: skipped"}));

  const std::string time = "\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\"";
  const std::string jobs = with_json({"job", "list"});
  EXPECT_THAT(
      jobs,
      AllOf(HasSubstr("\"number\": 1"), Not(HasSubstr("\"job\"")), ContainsRegex("\"submitted_at\": " + time),
            HasSubstr("\"output_dir\": \"" + std::filesystem::canonical(folder_ / "out").string())));
  EXPECT_THAT(with_json({"task", "list"}),
              AllOf(HasSubstr("{\"job\":1,\"task\":\""), Not(HasSubstr("\"job\":\""))));
  EXPECT_THAT(with_json({"job", "events", "1"}),
              AllOf(ContainsRegex("\"time\":" + time), Not(HasSubstr("wall_time_ms"))));
  EXPECT_THAT(with_json({"job", "events", "all"}), ContainsRegex("worker_joined.*\"task_kind\":\"\""));
  EXPECT_THAT(out({"job", "info", "1"}), AllOf(HasSubstr("job         1\n"), HasSubstr("submitted   20")));
}

TEST_F(OnAServer, ALoraBesideTheServersModelsIsFound) {
  put(folder_, "models/lcm_lora/pytorch_lora_weights.safetensors", "x");
  const Words compare = {"compare",       folder_ / "videos",
                         "--ref-image",   folder_ / "ref.png",
                         "--steps",       "25",
                         "--steps",       "4",
                         "--lora",        "none",
                         "--lora",        "lcm_lora",
                         "--dry-run",     "--output-dir",
                         folder_ / "out", "--server",
                         endpoint_};
  EXPECT_THAT(out(compare), HasSubstr("4 to make"));
}

TEST_F(OnAServer, AJobIsCancelledAndRetried) {
  put(folder_, "videos/stuck.mp4", "x");
  out(submit({"--no-wait", "--filter", "stuck*"}));
  ASSERT_TRUE(e2e::eventually([&] {
    return out({"task", "list"}).find("denoise 2/4") != std::string::npos;
  }));
  EXPECT_THAT(out({"task", "explain", "stuck"}), HasSubstr("runs on w1"));
  EXPECT_THAT(out({"task", "explain"}),
              AllOf(HasSubstr("encode_latents of stuck"),
                    HasSubstr("waits for encode_latents of stuck, which is running")));
  EXPECT_EQ(out({"task", "explain", "last"}), out({"task", "explain", "1"}));
  out({"job", "cancel"});
  EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("cancelled"));
  EXPECT_THAT(out({"job", "retry", "1"}), Not(HasSubstr("cancelled")));
  out({"job", "cancel", "all"});
}

TEST_F(OnAServer, CtrlCWhileWaitingCancelsTheJobOnTheServer) {
  put(folder_, "videos/stuck.mp4", "x");
  const auto process = start(submit());
  ASSERT_TRUE(e2e::eventually([&] { return committed(4); }));
  process->signal(SIGINT);
  EXPECT_EQ(process->wait().exit_code, 130);
  EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("2/3, 1 cancelled"));
}

TEST_F(OnAServer, AWorkerIsSentAway) {
  out({"worker", "stop", "w1"});
  EXPECT_EQ(worker_->wait().exit_code, 0);
  const auto outcome = run({"worker", "drain", "w2"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no worker 'w2'"));
}

TEST_F(OnAServer, WhatIsNotThereIsNamed) {
  EXPECT_THAT(run({"job", "info", "9"}).err, HasSubstr("no job matches '9'"));
  EXPECT_THAT(run({"job", "cancel", "x"}).err, HasSubstr("'x' selects no jobs"));
  out(submit());
  EXPECT_THAT(run({"task", "explain", "nothing"}).err, HasSubstr("no task 'nothing' in job last"));
}

TEST_F(OnAServer, AnotherServerOfTheUserDoesNotTakeItsClientsAway) {
  const auto other =
      start({"serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "off", "--state-dir", folder_ / "other"});
  ASSERT_TRUE(e2e::eventually([&] { return other->err().find("listening on") != std::string::npos; }));
  EXPECT_THAT(other->err(), HasSubstr("clients go on to find the server at " + endpoint_));
  EXPECT_THAT(out({"worker", "list"}), HasSubstr("w1"));
  other->signal(SIGTERM);
  EXPECT_EQ(other->wait().exit_code, 0);
  EXPECT_THAT(out({"worker", "list"}), HasSubstr("w1"));
}

TEST_F(OnAServer, VerifyComparesOutputsWithTheirRecords) {
  out(submit());
  EXPECT_EQ(out({"verify", folder_ / "out", "--quick"}), "2 outputs checked, 0 damaged\n");
  std::filesystem::resize_file(folder_ / "out/a.mp4", 3);
  EXPECT_THAT(out({"verify", folder_ / "out", "--quick"}, 1),
              AllOf(HasSubstr("a: has 3 bytes, its record says"), HasSubstr("2 outputs checked, 1 damaged")));
}

}  // namespace
}  // namespace mimicfleet::coordinator
