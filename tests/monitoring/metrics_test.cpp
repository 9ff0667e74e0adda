#include "monitoring/metrics.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace mimicfleet::monitoring {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The whole answer to GET /metrics.
std::string scrape(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &peer.sin_addr);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(::write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t got; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, got);
  }
  ::close(fd);
  return answer;
}

void fill(Metrics& metrics) {
  metrics.counter("mimicfleet_tasks_total", "Tasks by how they ended.", {{"state", "done"}}).add();
  metrics.gauge("mimicfleet_queue_tasks", "Tasks that wait for a worker.").set(3);
  metrics
      .histogram("mimicfleet_stage_seconds", "Seconds of each stage.", stage_seconds_buckets(),
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
  EXPECT_THAT(text,
              HasSubstr("mimicfleet_stage_seconds_bucket{cache=\"cold\",stage=\"clip\",le=\"0.25\"} 0"));
  EXPECT_THAT(text, HasSubstr("mimicfleet_stage_seconds_bucket{cache=\"cold\",stage=\"clip\",le=\"0.5\"} 2"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

TEST(Metrics, GaugesThatAreReadAreRefreshedBeforeAScrape) {
  Metrics metrics;
  const Gauge gauge = metrics.gauge("mimicfleet_things", "Things.");
  metrics.before_scrape([&] { gauge.set(7); });
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_things 7"));
}

TEST(Metrics, GaugesThatComeAndGoAreThoseOfTheMoment) {
  Metrics metrics;
  std::vector<Sample> workers;
  metrics.gauges("mimicfleet_heard_seconds", "Seconds since.", [&] { return workers; });
  EXPECT_THAT(metrics.text(), Not(HasSubstr("mimicfleet_heard_seconds{")));
  workers = {{{{"worker", "a\"b\\c\nd"}}, 1.5}, {{{"worker", "e"}}, 2}};
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_heard_seconds{worker=\"a\\\"b\\\\c\\nd\"} 1.5"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_heard_seconds{worker=\"e\"} 2"));
  workers.pop_back();
  EXPECT_THAT(metrics.text(), Not(HasSubstr("worker=\"e\"")));
}

TEST(MetricsServer, AScrapeGetsWhatPromtoolAccepts) {
  Metrics metrics;
  fill(metrics);
  auto server = MetricsServer::start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), Not(StartsWith("127.0.0.1:0")));
  const std::string answer = scrape((*server)->address());
  const auto body = answer.find("\r\n\r\n");
  ASSERT_NE(body, std::string::npos);
  EXPECT_THAT(answer, HasSubstr("mimicfleet_tasks_total{state=\"done\"} 1"));

  const std::string path = ::testing::TempDir() + "scrape.txt";
  std::ofstream(path) << answer.substr(body + 4);
  EXPECT_EQ(std::system(("promtool check metrics < " + path + " 1>&2").c_str()), 0);
  std::remove(path.c_str());
}

TEST(MetricsServer, APortAloneMeansTheLoopbackInterface) {
  Metrics metrics;
  const auto server = MetricsServer::start("0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), StartsWith("127.0.0.1:"));
}

TEST(MetricsServer, AnAddressThatIsTakenIsNamed) {
  Metrics metrics;
  const auto first = MetricsServer::start("127.0.0.1:0", metrics);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = MetricsServer::start((*first)->address(), metrics);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr((*first)->address()));
  EXPECT_FALSE(MetricsServer::start("127.0.0.1:http", metrics).ok());
}

}  // namespace
}  // namespace mimicfleet::monitoring
