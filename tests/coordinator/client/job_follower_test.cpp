#include "coordinator/client/job_follower.h"

#include <atomic>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/client/fake_server.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(SubmitJob, ALongJobIsSentInPartsOfWhichOnlyTheLastSaysSo) {
  FakeServer server;
  const auto id = new_id<JobId>();
  std::vector<std::size_t> clips;
  std::vector<bool> last;
  server.on<jobs::JobSubmit>([&](const jobs::JobSubmit& part) {
    EXPECT_EQ(part.job.is_nil(), clips.empty());
    EXPECT_EQ(part.plan.name, "long");
    EXPECT_EQ(part.plan.features, (jobs::FeaturePolicy{true, true, false}));
    clips.push_back(part.plan.clips.size());
    last.push_back(part.last);
    return jobs::JobAccepted{id, part.last ? 7U : 0U};
  });
  auto connection = Connection::open(server.start(), nullptr);
  jobs::JobPlan plan;
  plan.name = "long";
  plan.features = {true, true, false};
  plan.clips.resize(2 * jobs::JobSubmit::kClipsPerPart + 1);
  const auto accepted = submit_job(*connection, plan);
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->number, 7U);
  server.stop();
  EXPECT_THAT(clips, ElementsAre(1000, 1000, 1));
  EXPECT_THAT(last, ElementsAre(false, false, true));
}

// A coordinator that is started again while a job of three parts is handed over: `lost` of its
// parts find one that does not know the parts before.
class RestartedServer : public ::testing::Test {
 protected:
  Result<jobs::JobAccepted> submit_in_parts(std::set<std::size_t> lost) {
    const auto id = new_id<JobId>();
    server_.on_bytes(jobs::JobSubmit::kType, [=, this](const wire::Envelope& envelope) {
      const auto part = *wire::body_as<jobs::JobSubmit>(envelope);
      clips_.push_back(part.job.is_nil() ? -1 : static_cast<int>(part.plan.clips.size()));
      if (part.last) requests_.push_back(envelope.request);
      const Status unknown(StatusCode::kNotFound,
                           "no such job is being submitted: submit it again");
      const auto request = envelope.request;
      return std::optional(lost.contains(clips_.size())
                               ? wire::seal(jobs::ErrorReply{unknown}, request)
                               : wire::seal(jobs::JobAccepted{id, part.last ? 7U : 0U}, request));
    });
    auto connection = Connection::open(server_.start(), nullptr);
    jobs::JobPlan plan;
    plan.clips.resize(2 * jobs::JobSubmit::kClipsPerPart + 1);
    auto accepted = submit_job(*connection, plan);
    server_.stop();
    return accepted;
  }

  FakeServer server_;
  std::vector<int> clips_;  // of each part; -1: of a first one
  std::vector<RequestId> requests_;
};

TEST_F(RestartedServer, AJobWhosePartsAreLostIsHandedOverOnceMore) {
  const auto accepted = submit_in_parts({2});
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->number, 7U);
  EXPECT_THAT(clips_, ElementsAre(-1, 1000, -1, 1000, 1));
}

TEST_F(RestartedServer, TheLastPartIsTheSameRequestSoThatOneJobComesOfIt) {
  ASSERT_TRUE(submit_in_parts({3}).ok());
  EXPECT_THAT(clips_, ElementsAre(-1, 1000, 1, -1, 1000, 1));
  ASSERT_THAT(requests_, SizeIs(2));
  EXPECT_EQ(requests_[0], requests_[1]);
}

TEST_F(RestartedServer, OneThatLosesThemAlwaysIsNoServer) {
  const auto accepted = submit_in_parts({2, 4, 6, 8, 10, 12, 14});
  EXPECT_EQ(accepted.status().code(), StatusCode::kUnavailable)
      << "and no mistake on the command line";
  EXPECT_THAT(accepted.status().message(), ::testing::HasSubstr("lost parts of the job 5 times"));
}

TEST(ViewJob, ShowsWhatRunsOrElseWhatIsWaitedFor) {
  std::atomic<bool> anything_runs = true;
  FakeServer server;
  server.on<jobs::JobListRequest>([](const jobs::JobListRequest& request) {
    EXPECT_EQ(request.selector, "7");
    jobs::JobList list;
    list.jobs.resize(1);
    return list;
  });
  server.on<jobs::TaskListRequest>([&](const jobs::TaskListRequest& request) {
    EXPECT_TRUE(request.only_unfinished);
    jobs::TaskList list;
    list.tasks.resize(2);
    list.tasks[0].why = "no worker is there";
    for (auto& task : list.tasks) task.stuck = true;
    if (anything_runs) list.tasks[1].state = jobs::TaskState::kRunning;
    return list;
  });
  auto connection = Connection::open(server.start(), nullptr);
  EXPECT_THAT(view_job(*connection, 7)->running, SizeIs(1));
  EXPECT_EQ(view_job(*connection, 7)->waits_for, "");
  EXPECT_FALSE(view_job(*connection, 7)->stuck);
  anything_runs = false;
  EXPECT_EQ(view_job(*connection, 7)->waits_for, "no worker is there");
  EXPECT_TRUE(view_job(*connection, 7)->stuck);
}

TEST(EndsSoon, OnceNothingIsLeftButVideosWhoseFramesAreDecoded) {
  JobView view;
  view.summary.tasks.done = 1;
  view.summary.tasks.running = 1;
  auto& task = view.running.emplace_back();
  task.spec.kind = jobs::TaskKind::kDecodeVideo;
  task.progress.stage = "vae_decode";
  task.progress.steps = 72;
  task.progress.step = 71;
  EXPECT_FALSE(ends_soon(view));
  task.progress.step = 72;
  EXPECT_TRUE(ends_soon(view));
  task.progress = {};
  task.progress.stage = "mux";
  EXPECT_TRUE(ends_soon(view));
  view.summary.tasks.waiting = 1;
  EXPECT_FALSE(ends_soon(view));
  view.summary.tasks.waiting = 0;
  task.spec.kind = jobs::TaskKind::kEncodeLatents;
  task.progress = {{}, 0, "denoise", 4, 4};
  EXPECT_FALSE(ends_soon(view));
  view.running.clear();
  EXPECT_FALSE(ends_soon(view));
}

TEST(EachTask, ReadsAllPages) {
  FakeServer server;
  server.on<jobs::TaskListRequest>([](const jobs::TaskListRequest& request) {
    jobs::TaskList list;
    list.total = 5;
    for (std::uint32_t i = request.first; i < std::min(request.first + 2, 5U); ++i) {
      list.tasks.emplace_back().attempt = i;
    }
    return list;
  });
  auto connection = Connection::open(server.start(), nullptr);
  std::vector<std::uint32_t> seen;
  ASSERT_TRUE(each_task(*connection, JobId(), [&](const auto& task) {
                seen.push_back(task.attempt);
              }).ok());
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4));
}

TEST(EachEvent, GoesOnWhereItEnded) {
  std::atomic<std::uint64_t> newest = 3;
  FakeServer server;
  server.on<jobs::EventsRequest>([&](const jobs::EventsRequest& request) {
    jobs::Events events;
    events.last = request.after;
    for (std::uint64_t i = request.after + 1;
         i <= std::min<std::uint64_t>(newest, request.after + 2); ++i) {
      events.events.emplace_back().sequence = i;
      events.last = i;
    }
    return events;
  });
  auto connection = Connection::open(server.start(), nullptr);
  std::uint64_t last = 0;
  std::vector<std::uint64_t> seen;
  const auto note = [&](const jobs::Event& event) { seen.push_back(event.sequence); };
  ASSERT_TRUE(each_event(*connection, JobId(), last, note).ok());
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
  newest = 4;
  ASSERT_TRUE(each_event(*connection, JobId(), last, note).ok());
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace mimicfleet::coordinator
