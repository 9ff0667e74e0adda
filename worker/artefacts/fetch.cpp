#include "worker/artefacts/fetch.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/net/socket.h"
#include "common/wire/envelope.h"
#include "jobs/messages.h"

namespace mimicfleet::artefacts {
namespace {

constexpr std::size_t kReplyOverheadBytes = 64 << 10;
constexpr auto kPoll = std::chrono::milliseconds(100);

// One artefact from one holder.
class Transfer {
 public:
  Transfer(net::Socket socket, const jobs::ArtefactRef& artefact, const FetchOptions& options)
      : socket_(std::move(socket)), artefact_(artefact), options_(options) {}

  [[nodiscard]] Status run(const std::function<bool()>& cancelled);
  [[nodiscard]] std::string take_bytes() { return std::move(bytes_); }
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  [[nodiscard]] Status ask();
  [[nodiscard]] Status take(const net::Received& received);
  [[nodiscard]] Status check_patience() const;

  net::Socket socket_;
  const jobs::ArtefactRef& artefact_;
  const FetchOptions& options_;
  std::map<RequestId, std::uint64_t> asked_;      // offsets that no answer came for yet
  std::map<std::uint64_t, std::string> arrived_;  // pieces that follow a missing one
  std::uint64_t next_offset_ = 0;                 // to ask for
  std::string bytes_;
  std::uint64_t received_bytes_ = 0;
  const Instant begin_ = SteadyClock().now();
  Instant last_piece_ = begin_;
};

Status Transfer::ask() {
  while (asked_.size() < options_.pieces_in_flight && next_offset_ < artefact_.size_bytes) {
    const auto request = new_id<RequestId>();
    const jobs::ArtefactRead read{artefact_.key, artefact_.content, next_offset_,
                                  options_.piece_bytes};
    RETURN_IF_ERROR(socket_.send({wire::seal(read, request)}));
    asked_.emplace(request, next_offset_);
    next_offset_ += options_.piece_bytes;
  }
  return {};
}

Status Transfer::take(const net::Received& received) {
  ASSIGN_OR_RETURN(const wire::Envelope envelope, wire::open_envelope(received.frames.front()));
  const auto asked = asked_.find(envelope.request);
  if (asked == asked_.end()) return {};
  if (envelope.type == jobs::ErrorReply::kType) {
    ASSIGN_OR_RETURN(const auto error, wire::body_as<jobs::ErrorReply>(envelope));
    return error.status.ok() ? Status(StatusCode::kBadInput, "an error without a reason")
                             : error.status;
  }
  ASSIGN_OR_RETURN(const auto chunk, wire::body_as<jobs::ArtefactChunk>(envelope));
  const std::uint64_t offset = asked->second;
  const std::uint64_t expected =
      std::min<std::uint64_t>(options_.piece_bytes, artefact_.size_bytes - offset);
  const bool fits = received.frames.size() == 2 && chunk.offset == offset &&
                    chunk.size_bytes == artefact_.size_bytes &&
                    received.frames[1].size() == expected;
  if (!fits) return {StatusCode::kCorruption, "sent a piece of another size"};
  received_bytes_ += expected;
  last_piece_ = SteadyClock().now();
  asked_.erase(asked);
  arrived_.emplace(offset, received.frames[1]);
  for (auto next = arrived_.begin(); next != arrived_.end() && next->first == bytes_.size();) {
    bytes_ += next->second;
    next = arrived_.erase(next);
  }
  return {};
}

// Whatever else a holder may send: pieces have to come, and in good time.
Status Transfer::check_patience() const {
  const Instant now = SteadyClock().now();
  const double allowed =
      to_seconds(options_.silence_timeout) +
      static_cast<double>(artefact_.size_bytes) / options_.least_bytes_per_second;
  if (received_bytes_ > 0 && to_seconds(now - begin_) > allowed) {
    return {StatusCode::kTimeout,
            fmt::format("sent {} of {} bytes in {:.1f} s, which is too slow", received_bytes_,
                        artefact_.size_bytes, to_seconds(now - begin_))};
  }
  if (now - last_piece_ <= options_.silence_timeout) return {};
  return {StatusCode::kTimeout,
          fmt::format("no answer in {} ms", options_.silence_timeout.count())};
}

Status Transfer::run(const std::function<bool()>& cancelled) {
  net::Socket* const sockets[] = {&socket_};
  while (bytes_.size() < artefact_.size_bytes) {
    RETURN_IF_ERROR(ask());
    net::wait_readable(sockets, {}, std::min(kPoll, options_.silence_timeout));
    if (cancelled()) return {StatusCode::kCancelled, "cancelled"};
    // As many as were asked for; what else comes waits for the next look at the time.
    for (std::size_t i = 0; i < options_.pieces_in_flight; ++i) {
      const auto received = socket_.receive();
      if (!received) break;
      RETURN_IF_ERROR(take(*received));
    }
    RETURN_IF_ERROR(check_patience());
  }
  if (sha256(bytes_) != artefact_.content) return {StatusCode::kCorruption, "sent other bytes"};
  return {};
}

}  // namespace

Fetched fetch_artefact(const jobs::ArtefactRef& artefact, const std::vector<std::string>& holders,
                       const std::function<bool()>& cancelled, const FetchOptions& options) {
  Fetched fetched;
  if (artefact.size_bytes > options.max_bytes) {
    fetched.status = Status(StatusCode::kResourceExhausted,
                            fmt::format("latents of {} bytes are too large", artefact.size_bytes));
    return fetched;
  }
  std::string failures;
  for (const auto& holder : holders) {
    auto socket =
        net::Socket::dealer(holder, {.frame_bytes = options.piece_bytes + kReplyOverheadBytes,
                                     .frames = 2,
                                     .queue_messages = 32});
    Status status = socket.status();
    if (status.ok()) {
      Transfer transfer(std::move(*socket), artefact, options);
      status = transfer.run(cancelled);
      fetched.received_bytes += transfer.received_bytes();
      if (status.ok()) {
        fetched.bytes = transfer.take_bytes();
        return fetched;
      }
    }
    if (status.code() == StatusCode::kCancelled) {
      fetched.status = status;
      return fetched;
    }
    if (status.code() == StatusCode::kCorruption) ++fetched.refused_holders;
    failures += fmt::format("; {}: {}", holder, status.message());
  }
  fetched.status =
      Status(StatusCode::kUnavailable,
             fmt::format("no worker could deliver latents {}{}", artefact.content.hex(),
                         failures.empty() ? "; nobody holds them" : failures));
  return fetched;
}

}  // namespace mimicfleet::artefacts
