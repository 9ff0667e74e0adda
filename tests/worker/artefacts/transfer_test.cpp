#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/envelope.h"
#include "jobs/messages.h"
#include "tests/patience.h"
#include "worker/artefacts/fetch.h"
#include "worker/artefacts/server.h"

namespace mimicfleet::artefacts {
namespace {

using ::testing::HasSubstr;

const auto kNeverCancelled = [] { return false; };

// A worker that holds artefacts and serves them.
class Holder {
 public:
  Holder() {
    std::string folder = ::testing::TempDir() + "holder.XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    store_ = ArtefactStore::open(folder_, 1 << 24).value_or(nullptr);
    server_ = ArtefactServer::start("tcp://127.0.0.1:*", *store_, [this](std::size_t bytes) {
                sent_bytes_ += bytes;
              }).value_or(nullptr);
  }
  ~Holder() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  jobs::ArtefactRef put(const std::string& bytes) { return *store_->put(sha256("key"), {}, bytes); }
  void damage(const jobs::ArtefactRef& artefact) const {
    std::fstream file(folder_ + "/" + artefact.content.hex() + ".artefact",
                      std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end) << "?";
  }
  [[nodiscard]] std::string endpoint() const { return server_->endpoint(); }
  // Ends the server, so that everything that it sent is counted.
  [[nodiscard]] std::size_t sent_bytes() {
    server_.reset();
    return sent_bytes_;
  }

 private:
  std::string folder_;
  std::unique_ptr<ArtefactStore> store_;
  std::unique_ptr<ArtefactServer> server_;
  std::atomic<std::size_t> sent_bytes_ = 0;
};

std::string some_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

TEST(ArtefactTransfer, AnArtefactOfManyPiecesArrivesWhole) {
  Holder replica;
  const std::string bytes = some_bytes(3'000'001);
  const auto artefact = replica.put(bytes);
  FetchOptions options;
  options.piece_bytes = 100'000;
  const Fetched fetched = fetch_artefact(artefact, {replica.endpoint()}, kNeverCancelled, options);
  ASSERT_TRUE(fetched.status.ok()) << fetched.status;
  EXPECT_EQ(fetched.bytes, bytes);
  EXPECT_EQ(fetched.received_bytes, bytes.size());
}

TEST(ArtefactTransfer, AHolderOfWrongBytesIsRefusedAndAnotherOneAsked) {
  Holder damaged;
  Holder good;
  const std::string bytes = some_bytes(1000);
  const auto artefact = damaged.put(bytes);
  good.put(bytes);
  damaged.damage(artefact);
  const Fetched fetched =
      fetch_artefact(artefact, {damaged.endpoint(), good.endpoint()}, kNeverCancelled);
  ASSERT_TRUE(fetched.status.ok()) << fetched.status;
  EXPECT_EQ(fetched.bytes, bytes);
  EXPECT_EQ(fetched.refused_replicas, 1);
  EXPECT_EQ(fetched.received_bytes, 2000);
  EXPECT_EQ(good.sent_bytes(), 1000);
}

// Alone: one that answers might, on a busy machine, not do so in so short a time. That the next one
// is asked after a failure is what the test above says.
TEST(ArtefactTransfer, ASilentHolderIsGivenUp) {
  auto silent = net::Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(silent.ok());
  FetchOptions options;
  options.silence_timeout = std::chrono::milliseconds(50);
  const Fetched fetched = fetch_artefact({sha256("key"), sha256("content"), 100, {}},
                                         {silent->endpoint()}, kNeverCancelled, options);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr("no answer in 50 ms"));
}

// A holder that answers requests with what the test makes of them: each once, or the last again and
// again.
class StrangeHolder {
 public:
  using Answer = std::function<std::vector<std::string>(const wire::Envelope& request)>;
  enum class Repeats { kNever, kForEver };
  StrangeHolder(Repeats repeats, Answer answer)
      : socket_(net::Socket::router("tcp://127.0.0.1:*").value()),
        endpoint_(socket_.endpoint()),
        repeats_(repeats),
        answer_(std::move(answer)),
        thread_([this] { run(); }) {}
  ~StrangeHolder() {
    stop_.signal();
    thread_.join();
  }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  void run() {
    net::Socket* const sockets[] = {&socket_};
    const int stop_fd[] = {stop_.fd()};
    std::optional<net::Received> last;
    while (!net::wait_readable({}, stop_fd, std::chrono::milliseconds(0))) {
      if (!last) net::wait_readable(sockets, stop_fd, std::chrono::minutes(1));
      if (auto received = socket_.receive()) last = std::move(*received);
      if (!last) continue;
      const auto request = wire::open_envelope(last->frames.front());
      if (request.ok()) static_cast<void>(socket_.send(answer_(*request), last->peer));
      if (repeats_ == Repeats::kNever) last.reset();
    }
  }

  net::Socket socket_;
  const std::string endpoint_;
  const Repeats repeats_;
  const Answer answer_;
  net::WakeUp stop_;
  std::thread thread_;
};

TEST(ArtefactTransfer, AHolderThatSendsOnlyWhatNobodyAskedForIsGivenUpLikeASilentOne) {
  const StrangeHolder chatty(StrangeHolder::Repeats::kForEver, [](const wire::Envelope&) {
    return std::vector{wire::seal(jobs::OkReply{}, new_id<RequestId>())};
  });
  FetchOptions options;
  options.silence_timeout = std::chrono::milliseconds(50);
  const Fetched fetched = fetch_artefact({sha256("key"), sha256("content"), 100, {}},
                                         {chatty.endpoint()}, kNeverCancelled, options);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr("no answer in 50 ms"));
}

TEST(ArtefactTransfer, AHolderThatSendsTooSlowlyForTheWholeIsGivenUp) {
  constexpr std::uint64_t kSize = 1 << 30;
  const StrangeHolder slow(StrangeHolder::Repeats::kNever, [](const wire::Envelope& envelope) {
    const auto request = wire::body_as<jobs::ArtefactRead>(envelope).value();
    return std::vector{wire::seal(jobs::ArtefactChunk{request.offset, kSize}, envelope.request),
                       std::string(request.bytes, 'x')};
  });
  FetchOptions options;
  options.piece_bytes = 1;  // of 2^30
  options.least_bytes_per_second = 1e12;
  options.silence_timeout = std::chrono::milliseconds(1000);
  const Fetched fetched = fetch_artefact({sha256("key"), sha256("content"), kSize, {}},
                                         {slow.endpoint()}, kNeverCancelled, options);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr("which is too slow"));
  EXPECT_GT(fetched.received_bytes, 0U);
}

TEST(ArtefactTransfer, WhenNobodyDeliversTheErrorSaysWhyForEach) {
  Holder empty;
  Holder damaged;
  const auto artefact = damaged.put("bytes");
  damaged.damage(artefact);
  const Fetched fetched =
      fetch_artefact(artefact, {empty.endpoint(), damaged.endpoint()}, kNeverCancelled);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr(empty.endpoint() + ": artefact"));
  EXPECT_THAT(fetched.status.message(), HasSubstr(damaged.endpoint() + ": sent other bytes"));
  EXPECT_TRUE(fetched.bytes.empty());
  EXPECT_FALSE(fetch_artefact(artefact, {}, kNeverCancelled).status.ok());
}

TEST(ArtefactTransfer, ACancelledTransferEndsWhileItsHolderIsSilent) {
  auto silent = net::Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(silent.ok());
  const Fetched fetched = fetch_artefact({sha256("key"), sha256("content"), 100, {}},
                                         {silent->endpoint()}, [] { return true; });
  EXPECT_EQ(fetched.status.code(), StatusCode::kCancelled);
}

TEST(ArtefactServer, RequestsThatItDoesNotKnowAreRefused) {
  Holder replica;
  auto peer = net::Socket::dealer(replica.endpoint());
  ASSERT_TRUE(peer.ok());
  const auto request = new_id<RequestId>();
  ASSERT_TRUE(peer->send({wire::seal(jobs::OkReply{}, request)}).ok());
  ASSERT_TRUE(peer->send({"no message"}).ok());
  net::Socket* const sockets[] = {&*peer};
  ASSERT_TRUE(net::wait_readable(sockets, {}, kPatience));
  const auto received = peer->receive();
  ASSERT_TRUE(received);
  const auto envelope = wire::open_envelope(received->frames.at(0));
  ASSERT_TRUE(envelope.ok()) << envelope.status();
  EXPECT_EQ(envelope->request, request);
  const auto error = wire::body_as<jobs::ErrorReply>(*envelope);
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error->status.code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace mimicfleet::artefacts
