#include "monitoring/metrics.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "monitoring/background_read.h"
#include "monitoring/build_info.h"
#include "monitoring/disk_metrics.h"
#include "monitoring/metrics_server.h"
#include "tests/common/http/http_client.h"
#include "tests/fake_clock.h"

namespace mimicfleet::monitoring {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

void fill(Metrics& metrics) {
  metrics.counter("mimicfleet_tasks_total", "Tasks by how they ended.", {{"state", "done"}}).add();
  metrics.gauge("mimicfleet_queue_tasks", "Tasks that wait for a worker.").set(3);
  metrics
      .histogram("mimicfleet_stage_duration_seconds", "Seconds of each stage.", {0.25, 0.5},
                 {{"stage", "clip"}, {"cache", "cold"}})
      .observe(0.3);
}

TEST(Metrics, TheTextHoldsWhatWasCounted) {
  Metrics metrics;
  fill(metrics);
  fill(metrics);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("mimicfleet_tasks_total{state=\"done\"} 2"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_queue_tasks 3"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "mimicfleet_stage_duration_seconds_bucket{cache=\"cold\",stage=\"clip\",le=\"0.25\"} 0"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "mimicfleet_stage_duration_seconds_bucket{cache=\"cold\",stage=\"clip\",le=\"0.5\"} 2"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST(Metrics, GaugesThatAreReadAreRefreshedBeforeAScrape) {
  Metrics metrics;
  const Gauge gauge = metrics.gauge("mimicfleet_things", "Things.");
  metrics.before_scrape([&] { gauge.set(7); });
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_things 7"));
}

TEST(Families, HaveEverySeriesFromTheStartAndNoOther) {
  Metrics metrics;
  const auto tasks =
      metrics.counters("mimicfleet_tasks_total", "Tasks by how they ended.",
                       every({{"kind", {"encode", "decode"}}, {"state", {"done", "failed"}}}));
  const auto seconds =
      metrics.histograms("mimicfleet_stage_duration_seconds", "Seconds of each stage.",
                         bucketed(every({{"stage", {"clip"}}}), {0.25, 0.5}));
  tasks.at({{"kind", "decode"}, {"state", "done"}}).add(2);
  seconds.at({{"stage", "clip"}}).observe(0.3);
  EXPECT_EQ(tasks.series().size(), 4U);
  EXPECT_EQ(tasks.find({{"kind", "decode"}}), nullptr);
  EXPECT_EQ(tasks.find({{"kind", "decode"}, {"state", "lost"}}), nullptr);
  EXPECT_THAT(
      metrics.text(),
      AllOf(HasSubstr("mimicfleet_tasks_total{kind=\"decode\",state=\"done\"} 2"),
            HasSubstr("mimicfleet_tasks_total{kind=\"encode\",state=\"failed\"} 0"),
            HasSubstr("mimicfleet_stage_duration_seconds_bucket{stage=\"clip\",le=\"0.5\"} 1")));
}

TEST(OpenCounters, HaveASeriesOnceItIsAskedFor) {
  Metrics metrics;
  const auto workers = metrics.open_counters("mimicfleet_workers_joined_total", "By host.");
  EXPECT_THAT(metrics.text(), Not(HasSubstr("mimicfleet_workers_joined_total{")));
  workers.of({{"host", "node1"}}).add();
  workers.of({{"host", "node1"}}).add();
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_workers_joined_total{host=\"node1\"} 2"));
}

TEST(BuildInfo, SaysWhatAProgramWasBuiltFrom) {
  Metrics metrics;
  add_build_info(metrics, "worker", "1.2.3", {{"torch", "2.9"}});
  EXPECT_THAT(metrics.text(),
              HasSubstr("mimicfleet_build_info{program=\"worker\",revision=\"" +
                        std::string(build_revision()) + "\",torch=\"2.9\",version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(std::string(build_revision()), MatchesRegex("unknown|[0-9a-f]+(-dirty)?"));
}

TEST(DiskMetrics, TellTheSpaceOfFoldersAlsoOfThoseToBeMade) {
  Metrics metrics;
  add_disk_metrics(metrics, {{"data", ::testing::TempDir() + "not/yet/made"}});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("mimicfleet_disk_free_bytes{folder=\"data\"} "));
  EXPECT_THAT(text, HasSubstr("mimicfleet_disk_size_bytes{folder=\"data\"} "));
  EXPECT_THAT(text, Not(HasSubstr("mimicfleet_disk_size_bytes{folder=\"data\"} 0\n")));
}

TEST(BackgroundRead, AReadThatHangsKeepsNobodyWaitingAndItsValueIsForgotten) {
  const auto clock = std::make_shared<FakeClock>();
  const auto reads = std::make_shared<std::atomic<int>>(0);
  const auto release = std::make_shared<std::promise<void>>();
  const auto released = release->get_future().share();
  {
    const BackgroundRead<int> number(
        [=]() -> std::optional<int> {
          if (reads->fetch_add(1) > 0) released.wait();
          return 7;
        },
        clock, std::chrono::milliseconds(1));
    EXPECT_EQ(number.value(), 7);
    while (*reads < 2) std::this_thread::yield();  // hangs from here on
    clock->advance(BackgroundRead<int>::kFresh);
    EXPECT_EQ(number.value(), 7);
    clock->advance(std::chrono::seconds(1));
    EXPECT_EQ(number.value(), std::nullopt);
  }  // the end does not wait for it either
  release->set_value();
}

TEST(BackgroundRead, WhatCannotBeReadHasNoValue) {
  EXPECT_EQ(BackgroundRead<int>([] { return std::optional<int>(); }).value(), std::nullopt);
}

TEST(Metrics, GaugesThatComeAndGoAreThoseOfTheMoment) {
  Metrics metrics;
  std::vector<Sample> workers;
  metrics.gauges("mimicfleet_heard_seconds", "Seconds since.", [&] { return workers; });
  EXPECT_THAT(metrics.text(), Not(HasSubstr("mimicfleet_heard_seconds{")));
  workers = {{{{"worker", "a\"b\\c\nd"}}, 1.5}, {{{"worker", "e"}}, 2}};
  EXPECT_THAT(metrics.text(),
              HasSubstr("mimicfleet_heard_seconds{worker=\"a\\\"b\\\\c\\nd\"} 1.5"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_heard_seconds{worker=\"e\"} 2"));
  workers.pop_back();
  EXPECT_THAT(metrics.text(), Not(HasSubstr("worker=\"e\"")));
}

TEST(MetricsServer, AScrapeGetsWhatPromtoolAccepts) {
  Metrics metrics;
  fill(metrics);
  metrics.gauges("mimicfleet_heard_seconds", "Seconds since each worker was heard.",
                 [] { return std::vector<Sample>(); });
  const auto server = MetricsServer::start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string answer = http::get((*server)->address(), "/metrics");
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("mimicfleet_tasks_total{state=\"done\"} 1"));
  EXPECT_THAT(answer, Not(HasSubstr("exposer_")));

  const std::string path = ::testing::TempDir() + "scrape.txt";
  std::ofstream(path) << http::body_of(answer);
  EXPECT_EQ(std::system(("promtool check metrics < " + path + " 1>&2").c_str()), 0);
  std::remove(path.c_str());
}

TEST(MetricsServer, FurtherRoutesAreServedAndListed) {
  Metrics metrics;
  const auto server = MetricsServer::start(
      "127.0.0.1:0", metrics,
      {{"/sd", [](const http::Request&) { return http::Response{.body = "[]"}; }}});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(http::body_of(http::get((*server)->address(), "/sd")), "[]");
  const std::string index = http::get((*server)->address(), "/");
  EXPECT_THAT(index, AllOf(HasSubstr("Content-Type: text/html; charset=utf-8\r\n"),
                           HasSubstr("href=\"/metrics\""), HasSubstr("href=\"/sd\"")));
}

TEST(MetricsServer, AnErrorNamesAddressAndFlag) {
  Metrics metrics;
  const auto first = MetricsServer::start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = MetricsServer::start((*first)->address(), metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(),
              AllOf(HasSubstr((*first)->address()), HasSubstr("--metrics")));
  EXPECT_EQ(MetricsServer::start("127.0.0.1:http", metrics).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mimicfleet::monitoring
