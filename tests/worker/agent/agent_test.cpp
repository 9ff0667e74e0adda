#include "worker/agent/agent.h"

#include <condition_variable>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/patience.h"

namespace mimicfleet::agent {
namespace {

using namespace std::chrono_literals;

// Remembers what it is asked for.
class FakeRunner final : public worker::TaskRunner {
 public:
  void start(jobs::LeaseGrant lease) override {
    const std::lock_guard lock(mutex_);
    started_.push_back(std::move(lease));
    changed_.notify_all();
  }
  void cancel(const jobs::TaskAttempt& attempt) override {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(attempt);
    changed_.notify_all();
  }
  void confirm(const worker::Confirmation& lease) override {
    const std::lock_guard lock(mutex_);
    confirmed_.push_back(lease.attempt);
    changed_.notify_all();
  }
  jobs::TaskAttempt next_confirmed() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return !confirmed_.empty(); }));
    return confirmed_.empty() ? jobs::TaskAttempt() : confirmed_.back();
  }
  jobs::LeaseGrant next_started() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return !started_.empty(); }));
    if (started_.empty()) return {};
    auto lease = std::move(started_.front());
    started_.erase(started_.begin());
    return lease;
  }
  jobs::TaskAttempt next_cancelled() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return !cancelled_.empty(); }));
    if (cancelled_.empty()) return {};
    const auto attempt = cancelled_.front();
    cancelled_.erase(cancelled_.begin());
    return attempt;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<jobs::LeaseGrant> started_;
  std::vector<jobs::TaskAttempt> cancelled_;
  std::vector<jobs::TaskAttempt> confirmed_;
};

// A coordinator's socket in the test's hands, and an agent on a thread of its own.
class AgentTest : public ::testing::Test {
 protected:
  explicit AgentTest(Duration silence = 10s)
      : router_(std::make_unique<net::Socket>(net::Socket::router("tcp://127.0.0.1:*").value())) {
    endpoint_ = router_->endpoint();
    SessionOptions options;
    options.silence = silence;
    // This test's thread may have to wait for a processor before it answers.
    options.goodbye_wait = kPatience;
    jobs::WorkerHello hello;
    hello.worker = worker_;
    agent_ = Agent::connect(endpoint_, hello, options).value();
    agent_->set_search([this] {
      const std::lock_guard lock(mutex_);
      return known_;
    });
    thread_ = std::thread([this] { status_ = agent_->run(runner_, stop_); });
  }
  ~AgentTest() override {
    if (thread_.joinable()) leave();
  }

  // Answers hellos and heartbeats as a coordinator does until a message of this type comes.
  template <typename T>
  T receive() {
    net::Socket* const sockets[] = {router_.get()};
    for (int i = 0; i < 200; ++i) {
      while (const auto received = router_->receive()) {
        const auto envelope = wire::open_envelope(received->frames.front()).value();
        peer_ = received->peer;
        request_ = envelope.request;
        if (envelope.type == jobs::WorkerHello::kType) {
          knows_worker_ = true;
          reply(jobs::WorkerWelcome{1, 50, 10000});
        } else if (!knows_worker_) {
          reply(jobs::ErrorReply{Status(StatusCode::kNotFound, "unknown worker")});
        } else if (envelope.type == jobs::WorkerHeartbeat::kType) {
          reply(jobs::HeartbeatReply{1, {}, false, false});
        }
        if (envelope.type == T::kType) return wire::body_as<T>(envelope).value();
      }
      net::wait_readable(sockets, {}, 50ms);
    }
    ADD_FAILURE() << "no " << T::kType;
    return {};
  }
  template <typename T>
  void reply(const T& message) {
    EXPECT_TRUE(router_->send({wire::seal(message, request_)}, peer_).ok());
  }
  // Waits for the agent's good-bye, which something else brought about, and for its end.
  void let_go() {
    receive<jobs::WorkerGoodbye>();
    reply(jobs::OkReply{});
    thread_.join();
  }
  void leave() {
    agent_->post(worker::Stop{});
    let_go();
  }
  bool listen_again() {
    for (int i = 0; i < 100 && !router_; ++i) {
      if (auto socket = net::Socket::router(endpoint_); socket.ok()) {
        router_ = std::make_unique<net::Socket>(std::move(*socket));
      } else {
        net::wait_readable({}, {}, 50ms);
      }
    }
    return router_ != nullptr;
  }
  void admit() {
    agent_->post(worker::Ready{});
    while (!HasFailure() && receive<jobs::WorkerHeartbeat>().state != jobs::WorkerState::kReady) {
    }
  }

  void know(const std::string& endpoint) {
    const std::lock_guard lock(mutex_);
    known_ = endpoint;
  }

  WorkerId worker_ = new_id<WorkerId>();
  std::mutex mutex_;
  std::string known_;  // where the coordinator is said to be
  std::unique_ptr<net::Socket> router_;
  std::string endpoint_;
  std::string peer_;
  RequestId request_;
  bool knows_worker_ = false;
  FakeRunner runner_;
  net::WakeUp stop_;
  std::unique_ptr<Agent> agent_;
  Status status_;
  std::thread thread_;
};

TEST_F(AgentTest, ALeaseRunsAndItsResultArrives) {
  admit();
  jobs::LeaseGrant grant;
  grant.epoch = 1;
  grant.attempt = 3;
  grant.spec.id = new_id<jobs::TaskId>();
  reply(grant);
  const auto lease = runner_.next_started();
  EXPECT_EQ(lease.spec.id, grant.spec.id);
  agent_->post(jobs::TaskProgress{lease.spec.id, 3, "denoise", 1, 4});
  while (true) {
    const auto beat = receive<jobs::WorkerHeartbeat>();
    if (HasFailure()) return;
    if (!beat.running.empty() && beat.running[0].step == 1) break;
  }
  EXPECT_EQ(runner_.next_confirmed(), (jobs::TaskAttempt{grant.spec.id, 3}))
      << "its heartbeats were answered";
  agent_->post(worker::TaskEnd{{lease.spec.id, 3}, {}, {}, {}});
  const auto completed = receive<jobs::TaskCompleted>();
  EXPECT_EQ(completed.attempt.attempt, 3);
  EXPECT_EQ(completed.worker, worker_);
}

TEST_F(AgentTest, ASignalMakesItLeaveInGoodOrder) {
  admit();
  jobs::LeaseGrant grant;
  grant.epoch = 1;
  grant.spec.id = new_id<jobs::TaskId>();
  reply(grant);
  runner_.next_started();
  stop_.signal();
  let_go();
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(runner_.next_cancelled().task, grant.spec.id);
}

TEST_F(AgentTest, ACoordinatorThatComesBackOnTheSamePortIsFoundAgain) {
  admit();
  router_.reset();
  knows_worker_ = false;
  ASSERT_TRUE(listen_again());
  EXPECT_EQ(receive<jobs::WorkerHello>().worker, worker_);
}

// Soon weary of silence.
class SearchingAgent : public AgentTest {
 protected:
  SearchingAgent() : AgentTest(3s) {}
};

TEST_F(SearchingAgent, ACoordinatorThatComesBackElsewhereIsFound) {
  auto elsewhere = std::make_unique<net::Socket>(net::Socket::router("tcp://127.0.0.1:*").value());
  know(elsewhere->endpoint());
  router_ = std::move(elsewhere);
  knows_worker_ = false;
  EXPECT_EQ(receive<jobs::WorkerHello>().worker, worker_);
}

TEST_F(SearchingAgent, WhereNothingIsKnownTheOldPlaceIsTriedAgain) {
  admit();
  router_.reset();
  knows_worker_ = false;
  ASSERT_TRUE(listen_again());
  EXPECT_EQ(receive<jobs::WorkerHello>().worker, worker_);
}

TEST_F(AgentTest, AStopThatIsPostedEndsItWhileItStillLoads) {
  leave();
  EXPECT_TRUE(status_.ok());
}

}  // namespace
}  // namespace mimicfleet::agent
