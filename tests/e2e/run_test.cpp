// Runs as users see them, with real workers: every kind of video, metrics, an interrupt.
#include <signal.h>

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files/atomic_file.h"
#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Run : public FleetTest {
 protected:
  // The body of an answer.
  std::string get(const std::string& url) {
    const Outcome read = Process({"python3", "-c",
                                  "import sys, urllib.request as u; "
                                  "print(u.urlopen(sys.argv[1]).read().decode(), end='')",
                                  url},
                                 scratch_)
                             .wait();
    EXPECT_EQ(read.exit_code, 0) << read.err;
    return read.out;
  }
  std::string content_type(const std::string& url) {
    return Process({"python3", "-c",
                    "import sys, urllib.request as u; "
                    "print(u.urlopen(sys.argv[1]).headers['Content-Type'], "
                    "end='')",
                    url},
                   scratch_)
        .wait()
        .out;
  }
  // What an endpoint of metrics says, once promtool found no fault with it.
  std::string metrics_of(const std::string& url) {
    const std::string text = get(url);
    const fs::path file = scratch_ / "metrics.txt";
    std::ofstream(file) << text;
    const Outcome checked =
        Process({"sh", "-c", "promtool check metrics < \"$0\"", file}, scratch_).wait();
    EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
    EXPECT_EQ(checked.out + checked.err, "");
    return text;
  }
  [[nodiscard]] Words files_below(const fs::path& folder) const {
    Words found;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) found.push_back(entry.path().filename());
    }
    return found;
  }
};

TEST_F(Run, OfEveryCodecRotationAndRateTheRightFramesAreLookedAt) {
  // Frames, of which every second one is used (of 60 a second every fourth).
  const std::map<std::string, int> kinds = {
      {"h264.mp4", 6},   {"hevc.mp4", 6},       {"vp9.webm", 6},           {"av1.mp4", 6},
      {"mjpeg.avi", 6},  {"rotated_90.mp4", 6}, {"variable_rate.mp4", 10}, {"with_sound.mp4", 6},
      {"fps_60.mp4", 15}};
  std::ofstream list(scratch_ / "list.csv");
  list << "video,output\n";
  for (const auto& [name, frames] : kinds)
    list << source_path("tests/common/av/data/" + name) << "," << name << "\n";
  list.close();
  const Outcome outcome = coordinator(submit(scratch_ / "list.csv", scratch_ / "out",
                                             {"--resolution", "64", "--output-mode", "json"}));
  // Most are test pictures: the detector has looked at every frame that is used, and found nobody.
  const auto summary = Json::parse(outcome.out);
  EXPECT_EQ(summary["clips"].size(), kinds.size()) << outcome.err;
  for (const auto& clip : summary["clips"]) {
    SCOPED_TRACE(clip["video"]);
    const std::string name = fs::path(clip["video"].get<std::string>()).filename();
    const int stride = name == "fps_60.mp4" ? 4 : 2;
    const int used = (kinds.at(name) + stride - 1) / stride;
    if (clip["state"] == "done") {
      EXPECT_EQ(clip["frames"], used);
    } else {
      EXPECT_THAT(
          clip["error"].get<std::string>(),
          HasSubstr(fmt::format("{}: nobody is found in any of the {} frames", name, used)));
    }
  }
  EXPECT_EQ(coordinator({"verify", scratch_ / "out"}).exit_code, 0);
}

TEST_F(Run, BothKindsOfMetricsAreWhatPromtoolAcceptsAndTellWhatHappened) {
  make_clips({"a.mp4"});
  const auto server = serve();
  const auto only = worker("only");
  const Outcome outcome =
      coordinator(submit(clips_, scratch_ / "out", {"--server", endpoint_, "--resolution", "64"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << only->err();
  const std::string own_url =
      "http://" + Json::parse(server->out())["metrics"].get<std::string>() + "/metrics";
  EXPECT_TRUE(eventually(  // gauges follow several times a second
      [&] { return get(own_url).find("mimicfleet_jobs{state=\"done\"} 1") != std::string::npos; }));
  const std::string own = metrics_of(own_url);
  for (const char* line :
       {"mimicfleet_tasks_ended_total{kind=\"decode_video\",state=\"done\"} 1",
        "mimicfleet_jobs_ended_total{state=\"done\"} 1", "mimicfleet_videos_made_total 1",
        "mimicfleet_task_wait_seconds_count{kind=\"encode_latents\"} 1",
        "mimicfleet_oldest_ready_task_age_seconds 0",
        "mimicfleet_lease_expiries_total{reason=\"stalled\"} 0",
        "mimicfleet_job_videos_made{number=\"1\"} 1",
        "mimicfleet_messages_received_total{type=\"job_submit\"} 1",
        "mimicfleet_store_write_failures_total 0"}) {
    EXPECT_THAT(own, HasSubstr(line));
  }
  EXPECT_THAT(own, HasSubstr("mimicfleet_worker_last_heard_seconds{host="));
  const std::string log = only->err();
  const auto url = log.find("http://");
  ASSERT_NE(url, std::string::npos) << log;
  const std::string workers = metrics_of(log.substr(url, log.find('\n', url) - url));
  for (const char* stage :
       {"load", "preprocess", "clip", "vae_encode", "pose_net", "denoise", "vae_decode", "mux"}) {
    EXPECT_THAT(
        workers,
        HasSubstr(fmt::format(
            "mimicfleet_stage_duration_seconds_count{{cache=\"cold\",stage=\"{}\"}} 1", stage)));
  }
  for (const char* line :
       {"mimicfleet_stage_duration_seconds_count{cache=\"warm\",stage=\"transfer\"} 1",
        "mimicfleet_cache_requests_total{entry=\"keypoints\",result=\"miss\"} 1",
        "mimicfleet_cache_entries{entry=\"keypoints\"} 1",
        "mimicfleet_worker_stage{stage=\"idle\"} 1", "mimicfleet_worker_state{state=\"ready\"} 1",
        "mimicfleet_worker_coordinator_connected 1",
        "mimicfleet_worker_task_attempts_total{kind=\"decode_video\",state=\"done\"} 1",
        "mimicfleet_worker_videos_made_total 1", "mimicfleet_disk_free_bytes{folder=\"cache\"} ",
        "mimicfleet_disk_free_bytes{folder=\"data\"} ", "mimicfleet_worker_info{device=\"cpu\""}) {
    EXPECT_THAT(workers, HasSubstr(line));
  }
  EXPECT_THAT(workers, Not(HasSubstr("mimicfleet_worker_busy_seconds_total 0\n")));
  EXPECT_THAT(only->err(), Not(HasSubstr("has no metric")));
}

TEST_F(Run, PrometheusFindsTheWorkersThatAreThere) {
  const auto server = serve();
  const std::string base = "http://" + Json::parse(server->out())["metrics"].get<std::string>();
  const auto listed = [&] { return Json::parse(get(base + "/sd")); };
  const fs::path file = scratch_ / "state/file_sd/workers.json";
  EXPECT_EQ(listed(), Json::array());
  EXPECT_EQ(content_type(base + "/sd"), "application/json");
  EXPECT_EQ(bytes(file), "[]\n");

  const auto only = worker("only \"one\"");
  ASSERT_TRUE(eventually([&] { return !listed().empty(); })) << only->err();
  const Json groups = listed();
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0]["labels"]["worker"], "only \"one\"");
  EXPECT_EQ(groups[0]["labels"]["device"], "cpu");
  EXPECT_EQ(bytes(file), get(base + "/sd"));
  const auto target = groups[0]["targets"][0].get<std::string>();
  EXPECT_THAT(metrics_of("http://" + target + "/metrics"), HasSubstr("mimicfleet_"));
  EXPECT_THAT(metrics_of(base + "/metrics"), HasSubstr("worker=\"only \\\"one\\\"\""));
  const Outcome list =
      coordinator({"worker", "list", "--server", endpoint_, "--output-mode", "json"});
  EXPECT_EQ(Json::parse(list.out)["workers"][0]["hello"]["metrics_endpoint"], target);

  only->signal(SIGTERM);
  EXPECT_EQ(only->wait().exit_code, 0);
  EXPECT_TRUE(eventually([&] { return listed().empty(); }));
  EXPECT_EQ(bytes(file), "[]\n");
  EXPECT_THAT(metrics_of(base + "/metrics"),
              Not(HasSubstr("mimicfleet_worker_last_heard_seconds{")));
}

TEST_F(Run, CtrlCInTheMiddleOfAClipLeavesNoProcessAndNoHalfFile) {
  make_clips({"a.mp4"});
  const fs::path output = scratch_ / "out";
  const auto client =
      start(submit(clips_, output, {"--steps", "500", "--save-frames", "--save-latents"}));
  ASSERT_TRUE(eventually([&] {
    return bytes(output / "_run/events.jsonl").find("\"task_leased\"") != std::string::npos;
  })) << client->err();
  client->signal(SIGINT);
  const Outcome outcome = client->wait();
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("videos      1 cancelled\n"));
  EXPECT_THAT(processes_with(scratch_), IsEmpty());
  EXPECT_FALSE(fs::exists(output / "a.mp4") || fs::exists(output / "a.json") ||
               fs::exists(output / "_latents/a.safetensors"));
  for (const auto& name : files_below(output)) EXPECT_FALSE(is_temporary_name(name)) << name;
}

}  // namespace
}  // namespace mimicfleet::e2e
