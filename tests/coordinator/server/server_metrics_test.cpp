#include "coordinator/server/server_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/scheduler/decide.h"
#include "tests/coordinator/scheduler/fleet.h"

namespace mimicfleet::coordinator {
namespace {

using testing::HasSubstr;

TEST(ServerMetrics, EveryLabelValueIsThereFromTheFirstScrape) {
  monitoring::Metrics metrics;
  const ServerMetrics server(metrics);
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_tasks{state=\"failed\"} 0"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_events_total{kind=\"stale_result\"} 0"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_lease_expiries_total 0"));
}

TEST(ServerMetrics, TasksWorkersAndExpiriesAreCounted) {
  monitoring::Metrics metrics;
  ServerMetrics server(metrics);
  Fleet fleet;
  fleet.submit(2);
  fleet.join("w");
  fleet.pass(std::chrono::seconds(11));
  server.observe(fleet.state, fleet.events);
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_lease_expiries_total 1"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_tasks{state=\"ready\"} 2"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_queue_depth 2"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_workers{state=\"ready\"} 0"));
}

TEST(ServerMetrics, HostsThatCannotDoTheirTasksAreCountedByReason) {
  monitoring::Metrics metrics;
  ServerMetrics server(metrics);
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_host_failures_total{reason=\"not_found\"} 0"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_workers_set_aside 0"));
  Fleet fleet;
  fleet.submit(6);
  fleet.join("good");
  const WorkerId bad = fleet.join("bad");
  for (int i = 0; i < 3; ++i) {
    fleet.fail_on_host(bad, fleet.lease(bad));
    fleet.beat(bad);
  }
  server.observe(fleet.state, fleet.events);
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_host_failures_total{reason=\"not_found\"} 3"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_workers_set_aside 1"));
  EXPECT_THAT(metrics.text(), HasSubstr("mimicfleet_events_total{kind=\"host_failed\"} 3"));
}

}  // namespace
}  // namespace mimicfleet::coordinator
