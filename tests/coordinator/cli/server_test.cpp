#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "common/discovery/discovery.h"
#include "common/files/read_text.h"
#include "common/host_name.h"
#include "common/json/json.h"
#include "tests/coordinator/cli/cli_test_base.h"
#include "tests/coordinator/client/fake_server.h"
#include "tests/paths.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kToys = source_path("models/puppet");

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// A server that no worker has come to yet.
class OnAnEmptyServer : public CommandLine {
 protected:
  void SetUp() override { server_ = serve({}); }
  std::unique_ptr<e2e::Process> serve(Words more) {
    Words words = {"serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "off"};
    words.insert(words.end(), more.begin(), more.end());
    auto server = start(words);
    EXPECT_TRUE(e2e::eventually([&] { return !read(kServerFile).empty(); })) << server->err();
    const auto document = json::parse(read(kServerFile));
    endpoint_ = *document->find("endpoint")->get_if<std::string>();
    return server;
  }
  std::unique_ptr<e2e::Process> start_worker(const std::string& name, const std::string& models) {
    auto worker = std::make_unique<e2e::Process>(
        Words{binary_path("tests/fake_worker"), "--coordinator", endpoint_, "--models", models,
              "--name", name, "--device", "cpu", "--precision", "auto"},
        folder_.path());
    EXPECT_TRUE(e2e::eventually([&] {
      return run({"worker", "list"}).out.find(name) != std::string::npos;
    }));
    return worker;
  }
  // `submit videos/ …` that leaves the models to somebody else.
  [[nodiscard]] Words submit_without_models(Words more = {}) const {
    Words words = {"submit",       folder_ / "videos", "--ref-image", folder_ / "ref.png",
                   "--output-dir", folder_ / "out"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string out(Words words, int code = 0) {
    const auto outcome = run(std::move(words));
    EXPECT_EQ(outcome.exit_code, code) << outcome.out << outcome.err;
    return outcome.out;
  }

  const std::string kServerFile = "home/.local/state/mimicfleet/server.json";
  std::unique_ptr<e2e::Process> server_;
  std::string endpoint_;
};

TEST_F(OnAnEmptyServer, AJobIsQueuedForWorkersThatAreStillToCome) {
  const auto submitted = run(submit({"--no-wait"}));
  EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
  EXPECT_EQ(submitted.out, "job 1 submitted: 2 videos\n");
  EXPECT_THAT(submitted.err, HasSubstr("no worker of the server has the models models ("));
  const auto worker = start_worker("late", folder_ / "models");
  EXPECT_THAT(out({"job", "wait"}), HasSubstr("2/2"));
}

TEST_F(OnAnEmptyServer, WithoutModelsAJobIsForTheProgramsToysAndThatIsSaidFirst) {
  const auto submitted = run(submit_without_models({"--no-wait"}));
  EXPECT_EQ(submitted.exit_code, 0) << submitted.err;
  EXPECT_THAT(first_line(submitted.err),
              AllOf(HasSubstr("no worker is there"), HasSubstr("toy models")));
  const auto other = start_worker("other", folder_ / "models");
  EXPECT_THAT(out({"task", "explain"}),
              ContainsRegex("other: it does not have the models .* \\([0-9a-f]{8}\\)"));
  const auto worker = start_worker("late", kToys);
  EXPECT_THAT(out({"job", "wait"}), HasSubstr("2/2"));
}

TEST_F(OnAnEmptyServer, TheFileThatItLeavesSaysItsHost) {
  EXPECT_THAT(read(kServerFile), HasSubstr("\"host\": \"" + host_name() + "\""));
}

TEST_F(OnAnEmptyServer, TheFileOfAnotherHostsLoopbackIsNoServerAndMakesWay) {
  server_->signal(SIGTERM);
  server_->wait();
  put(folder_, kServerFile, R"({"endpoint": "tcp://127.0.0.1:5577", "pid": 1, "host": "node7"})");
  const auto nobody = run({"job", "list"});
  EXPECT_EQ(nobody.exit_code, 3);
  EXPECT_THAT(nobody.err, AllOf(HasSubstr("node7"), HasSubstr("no server is known")));
  const auto next = start({"serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "off"});
  ASSERT_TRUE(
      e2e::eventually([&] { return next->err().find("listening on") != std::string::npos; }));
  EXPECT_THAT(next->err(), HasSubstr("tcp://127.0.0.1:5577 on node7"));
  EXPECT_EQ(run({"job", "list"}).exit_code, 0);
}

TEST_F(OnAnEmptyServer, AClientThatFoundItByTheFileFindsItOnAnotherPortToo) {
  const auto client = start(submit({}));
  ASSERT_TRUE(e2e::eventually([&] {
    return run({"job", "info", "1"}).exit_code == 0;
  })) << client->err();
  const std::string before = endpoint_;
  server_->signal(SIGTERM);
  server_->wait();
  server_ = serve({});
  ASSERT_NE(endpoint_, before);
  const auto worker = start_worker("late", folder_ / "models");
  const auto outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the server is at " + endpoint_ + " now"));
  EXPECT_THAT(read("out/_run/summary.json"), HasSubstr(endpoint_));
}

TEST_F(OnAnEmptyServer, StartedAsTheReadmeSaysAndPlainlyItIsTheSame) {
  const std::string readme = *read_text(source_path("README.md"), 1 << 20);
  const std::string flag = "--state-dir ~/";
  const auto at = readme.find(flag);
  ASSERT_NE(at, std::string::npos);
  const auto end = readme.find_first_of(" \n", at + flag.size());
  const std::string told =
      folder_ / ("home/" + readme.substr(at + flag.size(), end - at - flag.size()));
  out(submit({"--no-wait"}));
  server_->signal(SIGTERM);
  EXPECT_EQ(server_->wait().exit_code, 0);
  server_ = serve({"--state-dir", told});
  EXPECT_THAT(out({"job", "list"}), HasSubstr((folder_ / "videos")));
}

// With a fake worker that has the models.
class OnAServer : public OnAnEmptyServer {
 protected:
  void SetUp() override {
    OnAnEmptyServer::SetUp();
    worker_ = start_worker("w1", folder_ / "models");
  }
  // A client whose last clip never ends; the others are done.
  std::unique_ptr<e2e::Process> start_stuck(Words more = {}) {
    put(folder_, "videos/stuck.mp4", "x");
    auto process = start(submit(std::move(more)));
    EXPECT_TRUE(e2e::eventually([&] { return committed(4); })) << process->err();
    return process;
  }

  std::unique_ptr<e2e::Process> worker_;
};

TEST_F(OnAServer, SubmitFindsTheServerAndItsModelsAndWaits) {
  const auto outcome = run({"submit", folder_ / "videos", "--ref-image", folder_ / "ref.png",
                            "--output-dir", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("videos      2 done\n"), HasSubstr("models      models\n")));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/_run/state"));
  EXPECT_THAT(read("out/_run/events.jsonl"), Not(HasSubstr("worker_joined")));
}

TEST_F(OnAServer, AJobIsFollowedFromOtherCommands) {
  put(folder_, "videos/bad.mp4", "x");
  EXPECT_EQ(out(submit({"--no-wait"})), "job 1 submitted: 3 videos\n");
  EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("2/3, 1 failed"));
  EXPECT_THAT(out({"job", "list"}), AllOf(HasSubstr("JOB  STATE"), HasSubstr("failed")));
  EXPECT_THAT(out({"job", "info", "1"}),
              AllOf(HasSubstr("state       failed"),
                    HasSubstr("failed      bad: " + (folder_ / "videos/bad.mp4"))));
  EXPECT_THAT(out({"task", "list"}), AllOf(HasSubstr("encode_latents"), HasSubstr("w1")));
  EXPECT_THAT(out({"task", "explain", "bad"}), HasSubstr("encode_latents of bad"));
  EXPECT_THAT(out({"job", "events", "1"}),
              AllOf(HasSubstr("job_submitted"), HasSubstr("job_ended")));
  EXPECT_THAT(out({"worker", "list", "--output-mode", "json"}), HasSubstr("\"name\": \"w1\""));
  const auto list =
      json::read<jobs::JobList>(out({"job", "list", "last", "--output-mode", "json"}));
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

  const std::string time =
      "\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\"";
  const std::string jobs = with_json({"job", "list"});
  EXPECT_THAT(jobs, AllOf(HasSubstr("\"number\": 1"), Not(HasSubstr("\"job\"")),
                          ContainsRegex("\"submitted_at\": " + time),
                          HasSubstr("\"output_dir\": \"" +
                                    std::filesystem::canonical(folder_ / "out").string())));
  EXPECT_THAT(with_json({"task", "list"}),
              AllOf(HasSubstr("{\"job\":1,\"task\":\""), Not(HasSubstr("\"job\":\""))));
  EXPECT_THAT(with_json({"job", "events", "1"}),
              AllOf(ContainsRegex("\"time\":" + time), Not(HasSubstr("wall_time_ms"))));
  EXPECT_THAT(with_json({"job", "events", "all"}),
              ContainsRegex("worker_joined.*\"task_kind\":\"\""));
  EXPECT_THAT(out({"job", "info", "1"}),
              AllOf(HasSubstr("job         1\n"), HasSubstr("submitted   20")));
}

TEST_F(OnAServer, ALoraBesideTheServersModelsIsFound) {
  put(folder_, "models/lcm_lora/pytorch_lora_weights.safetensors", fake_lora());
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

TEST_F(OnAServer, WhatBecameOfTheTasksOfAJobThatHasEndedIsExplained) {
  put(folder_, "videos/bad.mp4", "x");
  EXPECT_EQ(run(submit()).exit_code, 1);
  for (const Words& words : {Words{"task", "explain", "1"}, Words{"task", "explain"}}) {
    EXPECT_THAT(out(words),
                AllOf(ContainsRegex("decode_video of a .*: done by w1"),
                      ContainsRegex("encode_latents of bad .*: failed: .*is no video")));
  }
  const std::string lines = out({"task", "explain", "1", "--output-mode", "json"});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 6) << lines;
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
  for (const char* verb : {"cancel", "retry"}) {
    const auto unselected = run({"job", verb});
    EXPECT_EQ(unselected.exit_code, 2);
    EXPECT_THAT(unselected.err, AllOf(HasSubstr(verb), HasSubstr("a number"), HasSubstr("`last`"),
                                      HasSubstr("`all`")));
  }
  EXPECT_THAT(out({"job", "list", "1"}), HasSubstr("running"));
  out({"job", "cancel", "last"});
  EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("cancelled"));
  EXPECT_THAT(out({"job", "retry", "1"}), Not(HasSubstr("cancelled")));
  out({"job", "cancel", "all"});
}

TEST_F(OnAServer, CtrlCWhileWaitingLeavesTheJobToTheServer) {
  const auto process = start_stuck();
  process->signal(SIGINT);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("job 1 goes on"), HasSubstr("coordinator job progress 1\n"),
                    HasSubstr("coordinator job cancel 1\n")));
  EXPECT_THAT(out({"job", "list"}), AllOf(HasSubstr("running"), Not(HasSubstr("cancelled"))));
}

TEST_F(OnAServer, CtrlCInJsonModeGivesTheSummaryOfTheJobThatGoesOn) {
  const auto process = start_stuck({"--output-mode", "json"});
  process->signal(SIGINT);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 130);
  const auto summary = json::read<RunSummary>(outcome.out);
  ASSERT_TRUE(summary.ok()) << outcome.out;
  EXPECT_EQ(summary->job, 1U);
  EXPECT_EQ(states(*summary), (Words{"a: pending", "b: pending", "stuck: pending"}));
}

TEST_F(OnAServer, VideosThatAnotherJobIsMakingAreNotMadeTwice) {
  const auto process = start_stuck();
  for (const Words& more : {Words{}, Words{"--seed", "7", "--overwrite"}}) {
    const auto refused = run(submit(more));
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(
        refused.err,
        AllOf(HasSubstr("out: job 1 is making 1 of these videos there (stuck)"),
              HasSubstr("`coordinator job progress 1`"), HasSubstr("`coordinator job cancel 1`")));
  }
  EXPECT_THAT(out(submit({"--filter", "a*"})), HasSubstr("1 already there"));
  out({"job", "cancel", "1"});
  EXPECT_EQ(process->wait().exit_code, 1);
  EXPECT_EQ(out(submit({"--no-wait"})), "job 2 submitted: 1 videos\n");
}

TEST_F(OnAServer, ConcatenatedVideosThatShareAWordAreMadeAtTheSameTime) {
  put(folder_, "videos/stuck.mp4", "x");
  for (const char* name : {"one", "two"}) {
    put(folder_, name + std::string(".csv"),
        fmt::format("sentence_id,ref_ids\n{},a stuck\n", name));
    EXPECT_THAT(out(submit({"--sentences", folder_ / (name + std::string(".csv")), "--no-wait"})),
                HasSubstr(" submitted: "));
  }
  EXPECT_EQ(run(submit({"--sentences", folder_ / "one.csv", "--no-wait"})).exit_code, 2);
  out({"job", "cancel", "all"});
}

TEST_F(OnAServer, WhoeverNamedTheServerIsToldCommandsThatNameIt) {
  surroundings_.environment.push_back("HOME=" + (folder_ / "another"));
  const auto process = start_stuck({"--server", endpoint_});
  process->signal(SIGINT);
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("coordinator job progress 1 --server " + endpoint_ + "\n"),
                    HasSubstr("coordinator job cancel 1 --server " + endpoint_ + "\n")));
}

TEST_F(OnAServer, AClientThatIsSentAwayLeavesTheJobToTheServerWithoutAWord) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    const auto process = start_stuck();
    process->signal(signal);
    const auto outcome = process->wait();
    EXPECT_EQ(outcome.exit_code, 130);
    EXPECT_EQ(outcome.out + outcome.err, "");
    EXPECT_THAT(out({"job", "list", "last"}),
                AllOf(HasSubstr("running"), Not(HasSubstr("cancelled"))));
    out({"job", "cancel", "last"});
    ASSERT_EQ(run({"job", "wait"}).exit_code, 1);
    std::filesystem::remove_all(folder_ / "out");
  }
}

TEST_F(OnAServer, UnderNohupAHangupChangesNothing) {
  surroundings_.ignores_hangup = true;
  const auto process = start_stuck();
  process->signal(SIGHUP);
  out({"job", "cancel", "last"});
  const auto outcome = process->wait();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("videos      2 done, 1 cancelled\n"));
}

TEST_F(OnAServer, CtrlCCancelsTheJobWhereThatIsAskedFor) {
  for (const int signal : {SIGINT, SIGHUP}) {
    const auto process = start_stuck({"--cancel-on-interrupt"});
    process->signal(signal);
    EXPECT_EQ(process->wait().exit_code, 130);
    EXPECT_THAT(out({"job", "wait"}, 1), HasSubstr("2/3, 1 cancelled"));
    std::filesystem::remove_all(folder_ / "out");
  }
}

TEST_F(OnAServer, AServerWhoseSessionEndsLeavesInGoodOrder) {
  server_->signal(SIGHUP);
  const auto outcome = server_->wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "home/.local/state/mimicfleet/server.json"));
}

TEST_F(OnAServer, ModelsThatAConfigNamesAreHonouredOrRefused) {
  put(folder_, "lost.yaml", "base_model_path: org/svd\nckpt_path: models/lost.pth\n");
  const auto lost = run(submit_without_models({"--config", folder_ / "lost.yaml", "--dry-run"}));
  EXPECT_EQ(lost.exit_code, 2) << lost.out;
  EXPECT_THAT(lost.err, AllOf(HasSubstr("org/svd"), HasSubstr("--models NAME")));
  put_models(folder_, "others/");
  put(folder_, "others/MimicMotion_1-1.pth", fake_checkpoint("other weights"));
  put(folder_, "others.yaml",
      "base_model_path: others/svd\nckpt_path: others/MimicMotion_1-1.pth\n");
  const auto others =
      run(submit_without_models({"--config", folder_ / "others.yaml", "--no-wait"}));
  EXPECT_EQ(others.exit_code, 0) << others.err;
  EXPECT_THAT(others.err, AllOf(HasSubstr("no worker of the server has the models others ("),
                                HasSubstr("models (")));
  EXPECT_THAT(out({"task", "explain"}), HasSubstr("w1: it does not have the models"));
  const auto worker = start_worker("w2", folder_ / "others");
  EXPECT_THAT(out({"job", "wait"}), HasSubstr("2/2"));
}

TEST_F(OnAServer, AModelFolderThatIsNotThereIsRefused) {
  const auto refused = run(submit_without_models({"--models", folder_ / "nowhere"}));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("nowhere: there is no such folder here"), HasSubstr("models (")));
}

TEST_F(OnAServer, AWorkerWithToysBesideOthersIsToldOfEverywhere) {
  const auto toys = start_worker("forgetful", kToys);
  ASSERT_TRUE(e2e::eventually([&] {
    return server_->err().find("worker forgetful has other models") != std::string::npos;
  }));
  EXPECT_THAT(server_->err(), HasSubstr("toy models"));
  EXPECT_THAT(out({"worker", "list"}), HasSubstr("\nforgetful has puppet: toy models"));
  const auto outcome = run(submit_without_models());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("models      models\n"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("puppet"), HasSubstr("toy models")));
  std::filesystem::remove_all(folder_ / "out");
  const auto asked = run(submit_without_models({"--models", "puppet", "--fps", "source"}));
  EXPECT_THAT(asked.out, HasSubstr("models      puppet\n"));
  EXPECT_EQ(asked.err, "");
}

TEST_F(OnAServer, AWorkerIsSentAway) {
  EXPECT_EQ(out({"worker", "stop", "w1", "--output-mode", "json"}),
            "{\n  \"worker\": \"w1\",\n  \"action\": \"stop\"\n}\n");
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
  const auto other = start({"serve", "--listen", "tcp://127.0.0.1:*", "--metrics", "off",
                            "--state-dir", folder_ / "other"});
  ASSERT_TRUE(
      e2e::eventually([&] { return other->err().find("listening on") != std::string::npos; }));
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
              AllOf(HasSubstr("a: has 3 bytes, its record says"),
                    HasSubstr("2 outputs checked, 1 damaged")));
}

// Once the first server has told it of a task, it is gone; the file names the second.
TEST_F(CommandLine, WhoWaitsForAJobFollowsItToAnotherPort) {
  const auto id = new_id<JobId>();
  std::atomic<bool> waits = false;
  std::vector<std::unique_ptr<FakeServer>> servers;
  for (const auto state : {jobs::TaskState::kRunning, jobs::TaskState::kDone}) {
    auto& server = servers.emplace_back(std::make_unique<FakeServer>());
    server->on<jobs::JobListRequest>([=](const auto&) {
      jobs::JobList list;
      list.jobs.resize(1);
      list.jobs[0].job = id;
      list.jobs[0].number = 1;
      list.jobs[0].state = state;
      return list;
    });
    server->on<jobs::TaskListRequest>([&waits](const auto&) {
      waits = true;
      return jobs::TaskList();
    });
  }
  const std::string file = folder_ / "home/.local/state/mimicfleet/server.json";
  ASSERT_TRUE(
      discovery::write_server_file({servers[0]->start(), ::getpid(), host_name()}, file).ok());
  const auto waiting = start({"job", "wait", "1"});
  ASSERT_TRUE(e2e::eventually([&] { return waits.load(); })) << waiting->err();
  servers[0].reset();
  ASSERT_TRUE(
      discovery::write_server_file({servers[1]->start(), ::getpid(), host_name()}, file).ok());
  EXPECT_EQ(waiting->wait().exit_code, 0) << waiting->err();
}

// What a worker that still loads has is waited for: it is not the time for toys.
TEST_F(CommandLine, WorkersThatStillLoadAreWaitedFor) {
  FakeServer server;
  int asked = 0;
  server.on<jobs::ServerInfoRequest>([&](const auto&) {
    jobs::ServerInfo info;
    info.workers = 2;
    info.model_sets.emplace_back();
    info.model_sets[0].name = "small";
    info.model_sets[0].defaults["notice"] = "toys";
    if (++asked > 2) info.model_sets.emplace_back().name = "big";
    return info;
  });
  server.on<jobs::WorkerListRequest>([](const auto&) {
    jobs::WorkerList list;
    list.workers.resize(2);
    list.workers[0].hello.model_sets.emplace_back().name = "small";
    return list;
  });
  server.on<jobs::FeatureQuery>([](const auto&) { return jobs::FeatureReplicas(); });
  server.on<jobs::JobListRequest>([](const auto&) { return jobs::JobList(); });
  const auto outcome = run(
      {"plan", folder_ / "videos", "--ref-image", folder_ / "ref.png", "--server", server.start()});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("big"));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("waiting for the server's workers"),
                                 Not(HasSubstr("no models are named"))));
}

}  // namespace
}  // namespace mimicfleet::coordinator
