#include "coordinator/server/server.h"

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/process.h"
#include "tests/patience.h"

namespace mimicfleet::coordinator {
namespace {

using testing::HasSubstr;

// A server on a loopback port in a thread of its own, and one peer that talks to it.
class ServerTest : public testing::Test {
 protected:
  ServerTest()
      : directory_(std::filesystem::path(testing::TempDir()) /
                   ("server." + to_string(new_id<JobId>()))) {
    start();
  }
  ~ServerTest() override {
    finish();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    auto store = JobStore::open(directory_);
    CHECK(store.ok());
    auto socket = net::Socket::router("tcp://127.0.0.1:*");
    CHECK(socket.ok());
    const std::string endpoint = socket->endpoint();
    server_ = std::make_unique<Server>(std::move(socket).value(), std::move(store).value(),
                                       SchedulerConfig{}, 1000, directory_);
    CHECK(server_->restore().ok());
    server_->add_observer(observer_);
    thread_ = std::thread([this] { server_->run(stop_); });
    peer_ = std::make_unique<net::Socket>(net::Socket::dealer(endpoint).value());
  }

  void finish() {
    stop_.signal();
    thread_.join();
    stop_.clear();
    server_.reset();
  }

  wire::Envelope receive() {
    const std::array<net::Socket*, 1> sockets = {peer_.get()};
    do {
      if (const auto received = peer_->receive())
        return wire::open_envelope(received->frames.front()).value();
    } while (net::wait_readable(sockets, {}, kPatience));
    ADD_FAILURE() << "no reply";
    return {};
  }

  // A worker that says hello; it takes encodes unless told otherwise.
  jobs::WorkerHello worker(const std::string& name, const std::string& host = "",
                           const std::string& data_endpoint = "",
                           TaskKind kind = TaskKind::kEncodeLatents) {
    jobs::WorkerHello hello;
    hello.worker = new_id<WorkerId>();
    hello.name = name;
    hello.host = host;
    hello.data_endpoint = data_endpoint;
    hello.kinds = {kind};
    hello.model_sets.resize(1);
    hello.model_sets[0].id = sha256("models");
    EXPECT_EQ(ask(hello).type, "worker_welcome");
    return hello;
  }
  static jobs::WorkerHeartbeat beat_of(const jobs::WorkerHello& hello) {
    jobs::WorkerHeartbeat beat;
    beat.worker = hello.worker;
    beat.state = jobs::WorkerState::kReady;
    beat.free_slots = 1;
    return beat;
  }

  template <typename Message>
  wire::Envelope ask(const Message& message, RequestId request = new_id<RequestId>()) {
    EXPECT_TRUE(peer_->send({wire::seal(message, request)}).ok());
    return receive();
  }

  static jobs::JobSubmit one_clip(const std::string& name) {
    jobs::JobSubmit submit;
    submit.plan.name = "folder";
    submit.plan.models.id = sha256("models");
    submit.plan.clips.resize(1);
    submit.plan.clips[0].output.relative = name;
    submit.plan.clips[0].video.path = name + ".mp4";
    return submit;
  }

  // What the server told, looked at once it has finished.
  struct Seen : Observer {
    void on_message(std::string_view type) override { messages.emplace_back(type); }
    void on_refusal(Refusal reason) override { refusals.push_back(reason); }
    void on_store_write(Duration) override { ++writes; }
    void on_store_failure() override { ++failures; }
    void on_commit(const std::vector<jobs::Event>& stored, const Tally& more) override {
      for (const auto& event : stored) events.push_back(event.kind);
      tally.add(more);
    }
    void look(const State&, Instant) override { ++looks; }
    std::vector<std::string> messages;
    std::vector<Refusal> refusals;
    std::vector<std::string> events;
    Tally tally;
    int writes = 0;
    std::atomic<int> failures = 0;
    int looks = 0;
  };

  std::filesystem::path directory_;
  Seen observer_;
  net::WakeUp stop_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
  std::unique_ptr<net::Socket> peer_;
};

TEST_F(ServerTest, ASubmissionThatIsSentTwiceIsOneJobAlsoAfterARestart) {
  const auto request = new_id<RequestId>();
  const auto first = wire::body_as<jobs::JobAccepted>(ask(one_clip("a"), request));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->number, 1U);
  const auto again = wire::body_as<jobs::JobAccepted>(ask(one_clip("a"), request));
  EXPECT_EQ(again->job, first->job);
  finish();
  start();
  const auto later = wire::body_as<jobs::JobAccepted>(ask(one_clip("a"), request));
  EXPECT_EQ(later->job, first->job);
  const auto list = wire::body_as<jobs::JobList>(ask(jobs::JobListRequest{}));
  ASSERT_EQ(list->jobs.size(), 1U);
  EXPECT_EQ(list->jobs[0].tasks.total(), 2U);
}

TEST_F(ServerTest, AJobInPartsIsOneJob) {
  auto part = one_clip("a");
  part.last = false;
  const auto begun = wire::body_as<jobs::JobAccepted>(ask(part));
  ASSERT_TRUE(begun.ok());
  part = one_clip("b");
  part.job = begun->job;
  const auto accepted = wire::body_as<jobs::JobAccepted>(ask(part));
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(accepted->number, 1U);
  const auto tasks = wire::body_as<jobs::TaskList>(ask(jobs::TaskListRequest{accepted->job}));
  EXPECT_EQ(tasks->total, 4U);
}

TEST_F(ServerTest, AnImpossibleJobIsRefusedAndNothingIsKept) {
  auto submit = one_clip("a");
  submit.plan.clips.push_back(submit.plan.clips[0]);
  const auto refused = wire::body_as<jobs::ErrorReply>(ask(submit));
  ASSERT_TRUE(refused.ok());
  EXPECT_THAT(refused->status.message(), HasSubstr("would both be written to a.mp4"));
  EXPECT_TRUE(wire::body_as<jobs::JobList>(ask(jobs::JobListRequest{}))->jobs.empty());
}

TEST_F(ServerTest, GarbageAndUnknownRequestsAreAnsweredWithAnError) {
  ASSERT_TRUE(peer_->send({"\xdd\xff\xff\xff\xff"}).ok());
  EXPECT_EQ(receive().type, "error");
  wire::Envelope unknown;
  unknown.type = "make_coffee";
  ASSERT_TRUE(peer_->send({wire::encode_struct(unknown)}).ok());
  const auto error = wire::body_as<jobs::ErrorReply>(receive());
  EXPECT_THAT(error->status.message(), HasSubstr("unknown request 'make_coffee'"));
}

TEST_F(ServerTest, ObserversAreToldWhatCameWhatWasRefusedAndWhatWasStored) {
  ASSERT_TRUE(peer_->send({"\xdd\xff\xff\xff\xff"}).ok());
  receive();
  wire::Envelope envelope;
  envelope.type = "make_coffee";
  ASSERT_TRUE(peer_->send({wire::encode_struct(envelope)}).ok());
  receive();
  envelope.major = 99;
  ASSERT_TRUE(peer_->send({wire::encode_struct(envelope)}).ok());
  receive();
  envelope = {};
  envelope.type = "job_list";
  envelope.body = std::string("no map");
  ASSERT_TRUE(peer_->send({wire::encode_struct(envelope)}).ok());
  receive();
  ask(jobs::JobCancel{"7"});
  ask(one_clip("a"));
  const auto hello = worker("w");
  ask(beat_of(hello));
  receive();
  finish();
  EXPECT_THAT(observer_.messages, testing::ElementsAre("job_list", "job_cancel", "job_submit",
                                                       "worker_hello", "worker_heartbeat"));
  EXPECT_THAT(observer_.refusals,
              testing::ElementsAre(Refusal::kMalformed, Refusal::kUnknownType, Refusal::kVersion,
                                   Refusal::kMalformed, Refusal::kRefused));
  EXPECT_EQ(observer_.tally.waits.size(), 1U);
  EXPECT_TRUE(observer_.tally.jobs_changed);
  EXPECT_EQ(observer_.writes, 4);  // the job, that it was submitted, the worker, its lease
  EXPECT_EQ(observer_.failures, 0);
  EXPECT_GT(observer_.looks, 0);
  start();
}

// They become labels of series.
TEST_F(ServerTest, AWorkerWithEndlessNamesIsRefused) {
  jobs::WorkerHello hello;
  hello.worker = new_id<WorkerId>();
  hello.name = std::string(257, 'w');
  const auto refused = wire::body_as<jobs::ErrorReply>(ask(hello));
  ASSERT_TRUE(refused.ok());
  EXPECT_THAT(refused->status.message(), HasSubstr("name is longer than 256 bytes"));
  EXPECT_FALSE(refused->status.retryable());
  EXPECT_TRUE(wire::body_as<jobs::WorkerList>(ask(jobs::WorkerListRequest{}))->workers.empty());
}

// While it lives no file of this process grows.
class NoSpace {
 public:
  NoSpace() {
    ::signal(SIGXFSZ, SIG_IGN);
    CHECK(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit none{.rlim_cur = 1, .rlim_max = before_.rlim_max};
    CHECK(::setrlimit(RLIMIT_FSIZE, &none) == 0);
  }
  ~NoSpace() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  NoSpace(const NoSpace&) = delete;
  NoSpace& operator=(const NoSpace&) = delete;

 private:
  rlimit before_{};
};

TEST_F(ServerTest, AWriteThatFailsIsToldAndRepeatedAndCountsOnce) {
  jobs::WorkerHello hello;
  hello.worker = new_id<WorkerId>();
  hello.name = "w";
  {
    const NoSpace full;
    ASSERT_TRUE(peer_->send({wire::seal(hello, new_id<RequestId>())}).ok());
    ASSERT_TRUE(e2e::eventually([&] { return observer_.failures > 1; }));
  }
  EXPECT_EQ(receive().type, "worker_welcome");
  finish();
  EXPECT_EQ(observer_.writes, 1);
  EXPECT_THAT(observer_.events, testing::ElementsAre("worker_joined"));
  start();
}

TEST_F(ServerTest, WhenAJobEndedIsStoredUntilItIsRetried) {
  const auto stored = [&] {
    finish();
    const auto contents = JobStore::open(directory_).value()->load();
    start();
    return contents.value().jobs.at(0).ended_wall_ms;
  };
  ask(one_clip("a"));
  EXPECT_EQ(stored(), 0);
  ask(jobs::JobCancel{"1"});
  EXPECT_GT(stored(), 0);
  ask(jobs::JobRetry{"1"});
  EXPECT_EQ(stored(), 0);
}

TEST_F(ServerTest, AWorkerGetsItsLeaseAndTheEventLogTellsOfIt) {
  ask(one_clip("a"));
  std::vector<std::string> types = {ask(beat_of(worker("w"))).type, receive().type};
  EXPECT_THAT(types, testing::UnorderedElementsAre("heartbeat_reply", "lease_grant"));
  const auto events = wire::body_as<jobs::Events>(ask(jobs::EventsRequest{}));
  ASSERT_TRUE(events.ok());
  std::vector<std::string> kinds;
  for (const auto& event : events->events) kinds.push_back(event.kind);
  EXPECT_THAT(
      kinds, testing::ElementsAre("job_submitted", "worker_joined", "worker_ready", "task_leased"));
}

// A coordinator that is killed between storing a job and storing what follows from it.
TEST_F(ServerTest, AJobThatWasOnlyJustStoredRunsAfterARestart) {
  finish();
  {
    auto store = JobStore::open(directory_);
    ASSERT_TRUE(store.ok());
    Job job;
    job.id = new_id<JobId>();
    job.number = 1;
    auto specs = jobs::make_tasks(one_clip("a").plan, job.id);
    ASSERT_TRUE(specs.ok());
    std::vector<Task> tasks(specs->size());
    std::vector<const Task*> pointers;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      tasks[i].spec = specs->at(i);
      tasks[i].position = i;
      pointers.push_back(&tasks[i]);
    }
    ASSERT_TRUE((*store)->commit({&job}, pointers, {}).ok());
  }
  start();
  std::vector<std::string> types = {ask(beat_of(worker("w"))).type, receive().type};
  EXPECT_THAT(types, testing::UnorderedElementsAre("heartbeat_reply", "lease_grant"));
}

TEST_F(ServerTest, AWorkerWhoseHostCannotDoTasksIsNamedWithTheReason) {
  const auto bad = worker("bad", "h1");
  ask(one_clip("a"));
  EXPECT_TRUE(peer_->send({wire::seal(beat_of(bad), new_id<RequestId>())}).ok());
  jobs::LeaseGrant grant;
  for (int i = 0; i < 2; ++i) {
    const auto envelope = receive();
    if (envelope.type == jobs::LeaseGrant::kType)
      grant = *wire::body_as<jobs::LeaseGrant>(envelope);
  }
  worker("other", "h2");
  jobs::TaskFailed failed;
  failed.worker = bad.worker;
  failed.attempt = {grant.spec.id, grant.attempt};
  failed.status = Status(StatusCode::kNotFound, "/data/a.mp4: no such file");
  failed.of_host = true;
  EXPECT_EQ(ask(failed).type, "ok");
  const auto list = wire::body_as<jobs::WorkerList>(ask(jobs::WorkerListRequest{}));
  ASSERT_TRUE(list.ok());
  for (const auto& info : list->workers) {
    if (info.hello.name != "bad") {
      EXPECT_TRUE(info.trouble.empty());
      continue;
    }
    ASSERT_EQ(info.trouble.size(), 1U);
    EXPECT_EQ(info.trouble[0].job, 1U);
    EXPECT_EQ(info.trouble[0].tasks, 1U);
    EXPECT_FALSE(info.trouble[0].set_aside);
    EXPECT_EQ(info.trouble[0].last.message(), "/data/a.mp4: no such file");
    EXPECT_FALSE(info.trouble[0].ended);
  }
  ask(jobs::JobCancel{"last"});
  const auto later = wire::body_as<jobs::WorkerList>(ask(jobs::WorkerListRequest{}));
  for (const auto& info : later->workers) {
    for (const auto& trouble : info.trouble) EXPECT_TRUE(trouble.ended);
  }
}

// Its encoder is not reached from the decoder's host.
TEST_F(ServerTest, LatentsOutOfReachAreTroubleOfTheirDecoder) {
  const auto encoder = worker("encoder", "h1", "tcp://127.0.0.1:4001");
  ask(one_clip("a"));
  EXPECT_TRUE(peer_->send({wire::seal(beat_of(encoder), new_id<RequestId>())}).ok());
  jobs::TaskCompleted done;
  done.worker = encoder.worker;
  for (int i = 0; i < 2; ++i) {
    const auto envelope = receive();
    if (envelope.type != jobs::LeaseGrant::kType) continue;
    const auto grant = *wire::body_as<jobs::LeaseGrant>(envelope);
    done.attempt = {grant.spec.id, grant.attempt};
  }
  done.result.latents.emplace().content = sha256("latents");
  EXPECT_EQ(ask(done).type, "ok");
  ask(beat_of(worker("decoder", "h2", "tcp://127.0.0.1:4002", TaskKind::kDecodeVideo)));
  const auto list = wire::body_as<jobs::WorkerList>(ask(jobs::WorkerListRequest{}));
  ASSERT_TRUE(list.ok());
  for (const auto& info : list->workers) {
    ASSERT_EQ(info.trouble.size(), info.hello.name == "decoder" ? 1U : 0U) << info.hello.name;
    if (info.trouble.empty()) continue;
    EXPECT_EQ(info.trouble[0].job, 1U);
    EXPECT_EQ(info.trouble[0].tasks, 1U);
    EXPECT_THAT(info.trouble[0].last.message(),
                HasSubstr("encoder on h1: start that worker with --advertise"));
  }
}

TEST_F(ServerTest, CancelAndSelectorsAnswerForPeople) {
  ask(one_clip("a"));
  const auto unknown = wire::body_as<jobs::ErrorReply>(ask(jobs::JobCancel{"5"}));
  EXPECT_THAT(unknown->status.message(), HasSubstr("no job matches '5'"));
  const auto cancelled = wire::body_as<jobs::JobList>(ask(jobs::JobCancel{"last"}));
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->jobs.at(0).state, TaskState::kCancelled);
}

}  // namespace
}  // namespace mimicfleet::coordinator
