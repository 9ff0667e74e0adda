#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

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
    std::fstream file(folder_ + "/" + artefact.content.hex() + ".artefact", std::ios::in | std::ios::out);
    file.seekp(-1, std::ios::end) << "?";
  }
  [[nodiscard]] std::string endpoint() const { return server_->endpoint(); }
  [[nodiscard]] std::size_t sent_bytes() const { return sent_bytes_; }

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
  Holder holder;
  const std::string bytes = some_bytes(3'000'001);
  const auto artefact = holder.put(bytes);
  FetchOptions options;
  options.piece_bytes = 100'000;
  const Fetched fetched = fetch_artefact(artefact, {holder.endpoint()}, kNeverCancelled, options);
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
  const Fetched fetched = fetch_artefact(artefact, {damaged.endpoint(), good.endpoint()}, kNeverCancelled);
  ASSERT_TRUE(fetched.status.ok()) << fetched.status;
  EXPECT_EQ(fetched.bytes, bytes);
  EXPECT_EQ(fetched.refused_holders, 1);
  EXPECT_EQ(fetched.received_bytes, 2000);
  EXPECT_EQ(good.sent_bytes(), 1000);
}

// Alone: one that answers might, on a busy machine, not do so in so short a time. That the next one is asked
// after a failure is what the test above says.
TEST(ArtefactTransfer, ASilentHolderIsGivenUp) {
  auto silent = net::Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(silent.ok());
  FetchOptions options;
  options.silence_timeout = std::chrono::milliseconds(50);
  const Fetched fetched = fetch_artefact({sha256("key"), sha256("content"), 100, {}}, {silent->endpoint()},
                                         kNeverCancelled, options);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr("no answer in 50 ms"));
}

TEST(ArtefactTransfer, WhenNobodyDeliversTheErrorSaysWhyForEach) {
  Holder empty;
  Holder damaged;
  const auto artefact = damaged.put("bytes");
  damaged.damage(artefact);
  const Fetched fetched = fetch_artefact(artefact, {empty.endpoint(), damaged.endpoint()}, kNeverCancelled);
  EXPECT_EQ(fetched.status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(fetched.status.message(), HasSubstr(empty.endpoint() + ": artefact"));
  EXPECT_THAT(fetched.status.message(), HasSubstr(damaged.endpoint() + ": sent other bytes"));
  EXPECT_TRUE(fetched.bytes.empty());
  EXPECT_FALSE(fetch_artefact(artefact, {}, kNeverCancelled).status.ok());
}

TEST(ArtefactTransfer, ACancelledTransferEndsWhileItsHolderIsSilent) {
  auto silent = net::Socket::router("tcp://127.0.0.1:*");
  ASSERT_TRUE(silent.ok());
  const Fetched fetched =
      fetch_artefact({sha256("key"), sha256("content"), 100, {}}, {silent->endpoint()}, [] { return true; });
  EXPECT_EQ(fetched.status.code(), StatusCode::kCancelled);
}

TEST(ArtefactServer, RequestsThatItDoesNotKnowAreRefused) {
  Holder holder;
  auto peer = net::Socket::dealer(holder.endpoint());
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
