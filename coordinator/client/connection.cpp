#include "coordinator/client/connection.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::chrono::milliseconds kResendAfter{2'000};

std::chrono::milliseconds until(Instant when) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(when - SteadyClock().now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace

Connection::Connection(net::Socket socket, const Interrupts* interrupts)
    : socket_(std::move(socket)), interrupts_(interrupts), endpoint_(socket_.endpoint()) {}

Result<Connection> Connection::open(const std::string& endpoint, const Interrupts* interrupts,
                                    std::chrono::milliseconds patience) {
  auto socket = net::Socket::dealer(endpoint);
  if (!socket.ok()) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("{}; a server is named like tcp://127.0.0.1:5555", socket.status().message()));
  }
  Connection connection(std::move(*socket), interrupts);
  RETURN_IF_ERROR(connection.ask_again(patience));
  return connection;
}

Status Connection::ask_again(std::chrono::milliseconds patience) {
  ASSIGN_OR_RETURN(server_, call<jobs::ServerInfo>(jobs::ServerInfoRequest(), patience));
  return {};
}

Result<wire::Envelope> Connection::exchange(const std::string& bytes, RequestId id,
                                            std::string_view expected,
                                            std::chrono::milliseconds patience) {
  const Instant give_up = SteadyClock().now() + patience;
  const int interrupts_before = interrupts_ == nullptr ? 0 : interrupts_->count();
  std::vector<int> fds;
  if (interrupts_ != nullptr) fds.push_back(interrupts_->fd());
  const std::array<net::Socket*, 1> sockets = {&socket_};
  while (until(give_up).count() > 0) {
    static_cast<void>(socket_.send({bytes}));  // a full queue empties or the time runs out
    const Instant resend = std::min(give_up, SteadyClock().now() + kResendAfter);
    while (until(resend).count() > 0) {
      net::wait_readable(sockets, fds, until(resend));
      if (auto answer = answer_to(id, expected)) return std::move(*answer);
      if (interrupts_ == nullptr) continue;
      interrupts_->acknowledge();
      if (interrupts_->count() != interrupts_before)
        return Status(StatusCode::kCancelled, "interrupted");
    }
  }
  return Status(
      StatusCode::kUnavailable,
      fmt::format("{}: no coordinator answers; is `coordinator serve` running there, and is it "
                  "reachable from this machine?",
                  endpoint_));
}

std::optional<Result<wire::Envelope>> Connection::answer_to(RequestId id,
                                                            std::string_view expected) {
  while (const auto received = socket_.receive()) {
    auto envelope = wire::open_envelope(received->frames.front());
    if (!envelope.ok()) {
      if (envelope.status().code() == StatusCode::kUnsupported)
        return envelope.status().prefixed(endpoint_);
      log::warn("{}: dropped a message: {}", endpoint_,
                log::printable(envelope.status().message()));
      continue;
    }
    if (envelope->request != id) continue;  // an answer that came after its request was given up
    if (envelope->type == jobs::ErrorReply::kType) {
      const auto error = wire::body_as<jobs::ErrorReply>(*envelope);
      if (error.ok() && !error->status.ok()) return error->status;
    }
    if (envelope->type != expected) {
      return Status(StatusCode::kBadInput, fmt::format("{}: answered {} with {}", endpoint_,
                                                       expected, log::printable(envelope->type)));
    }
    return std::move(*envelope);
  }
  return std::nullopt;
}

}  // namespace mimicfleet::coordinator
