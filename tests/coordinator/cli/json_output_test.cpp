#include "coordinator/cli/json_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/json/json.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(JsonOutput, NumbersThatReadersRoundAreText) {
  const std::uint64_t tag = 1622035469911897822;
  jobs::TaskInfo task;
  task.spec.parameters.seed = tag;
  task.result.features = {{jobs::FeatureKind::kKeypoints, jobs::FeatureOutcome::kHit, tag},
                          {jobs::FeatureKind::kClipEmbedding, jobs::FeatureOutcome::kHit, 7}};
  EXPECT_THAT(json_line(task_value(task, 3)), AllOf(HasSubstr("\"tag\":\"1682a0aa7d2eb6de\""),
                                                    HasSubstr("\"tag\":\"0000000000000007\""),
                                                    HasSubstr("\"seed\":\"1622035469911897822\"")));
  jobs::WorkerInfo worker;
  worker.hello.features = {{tag, 1.5}};
  EXPECT_THAT(json_document(wire::to_value(worker)), HasSubstr("\"tag\": \"1682a0aa7d2eb6de\""));
  const wire::Value most = wire::Map{{"n", std::uint64_t{1} << 53}};
  EXPECT_EQ(json_line(most), "{\"n\":9007199254740992}\n");
}

TEST(JsonOutput, ATaskHasItsJobsNumberAndNothingOfTheProtocolsOwn) {
  jobs::TaskInfo task;
  task.spec.id = new_id<jobs::TaskId>();
  task.spec.job = new_id<JobId>();
  task.spec.name = "clips/a";
  task.progress = {task.spec.id, 1, "denoise", 2, 4};
  const std::string line = json_line(task_value(task, 3));
  EXPECT_THAT(line, AllOf(HasSubstr("{\"job\":3,\"task\":\"" + to_string(task.spec.id) +
                                    "\",\"name\":\"clips/a\""),
                          HasSubstr("\"progress\":{\"stage\":\"denoise\",\"step\":2,\"steps\":4}"),
                          Not(HasSubstr(to_string(task.spec.job)))));
}

TEST(JsonOutput, TimesAreRfc3339InUtc) {
  EXPECT_EQ(rfc3339(1714564800007), "2024-05-01T12:00:00.007Z");
  EXPECT_EQ(rfc3339(0), "");
  jobs::Event event;
  event.sequence = 4;
  event.kind = "worker_joined";
  event.wall_time_ms = 1714564800007;
  EXPECT_THAT(json_line(event_value(event)),
              AllOf(HasSubstr("{\"sequence\":4,\"time\":\"2024-05-01T12:00:00.007Z\""),
                    HasSubstr("\"task_kind\":\"\""), Not(HasSubstr("wall_time_ms"))));
}

TEST(JsonOutput, AJobHasItsNumberAndWhenItWasSubmitted) {
  jobs::JobSummary job;
  job.job = new_id<JobId>();
  job.number = 3;
  job.submitted_wall_ms = 1714564800007;
  const std::string text = json_document(job_value(job));
  EXPECT_THAT(text, AllOf(HasSubstr("\"number\": 3"),
                          HasSubstr("\"submitted_at\": \"2024-05-01T12:00:00.007Z\""),
                          Not(HasSubstr(to_string(job.job)))));
  EXPECT_THAT(json_document(job_value(job, {})), HasSubstr("\"ledger\""));
}

}  // namespace
}  // namespace mimicfleet::coordinator
