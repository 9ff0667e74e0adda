#include "common/net/socket.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>
#include <zmq.hpp>

namespace mimicfleet::net {
namespace {

constexpr int kHeartbeatMs = 2000;
constexpr int kHeartbeatTimeoutMs = 8000;

// One context for the process. It is never destroyed: sockets in detached threads may outlive main.
zmq::context_t& context() {
  static auto* const instance = new zmq::context_t(1);
  return *instance;
}

Status from(const zmq::error_t& error, const std::string& endpoint, const char* what) {
  const bool taken =
      error.num() == EADDRINUSE || error.num() == EADDRNOTAVAIL || error.num() == EACCES;
  const auto code = taken ? StatusCode::kFailedPrecondition : StatusCode::kInvalidArgument;
  return {code, fmt::format("{}: {}: {}", endpoint, what, error.what())};
}

constexpr std::uint64_t kHighestPort = 65535;

// ZeroMQ takes a larger port modulo 65536, and so listens elsewhere.
Status check_port(const std::string& endpoint) {
  const std::string_view port = std::string_view(endpoint).substr(endpoint.rfind(':') + 1);
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_number = error != std::errc::invalid_argument && rest == port.data() + port.size();
  if (!is_number || (error == std::errc() && number <= kHighestPort)) return {};
  return {
      StatusCode::kInvalidArgument,
      fmt::format("{}: port {} is not possible: it must be 1 to {}", endpoint, port, kHighestPort)};
}

}  // namespace

struct Socket::Impl {
  zmq::socket_t socket;
  SocketLimits limits;
  std::string endpoint;
  bool is_router;

  Impl(zmq::socket_type type, SocketLimits bounds) : socket(context(), type), limits(bounds) {
    is_router = type == zmq::socket_type::router;
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, bounds.queue_messages);
    socket.set(zmq::sockopt::rcvhwm, bounds.queue_messages);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(bounds.frame_bytes));
    socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
    socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
    socket.set(zmq::sockopt::handshake_ivl, 5000);
    socket.set(zmq::sockopt::backlog, 1024);
    if (is_router) {
      socket.set(zmq::sockopt::router_mandatory, true);
    } else {
      socket.set(zmq::sockopt::reconnect_ivl, 100);
      socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
    }
  }
};

Socket::Socket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Socket::~Socket() = default;
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&&) noexcept = default;

Result<Socket> Socket::router(const std::string& bind_endpoint, SocketLimits limits) {
  RETURN_IF_ERROR(check_port(bind_endpoint));
  try {
    auto impl = std::make_unique<Impl>(zmq::socket_type::router, limits);
    impl->socket.bind(bind_endpoint);
    impl->endpoint = impl->socket.get(zmq::sockopt::last_endpoint);
    return Socket(std::move(impl));
  } catch (const zmq::error_t& error) {
    return from(error, bind_endpoint, "cannot listen");
  }
}

Result<Socket> Socket::dealer(const std::string& connect_endpoint, SocketLimits limits) {
  RETURN_IF_ERROR(check_port(connect_endpoint));
  try {
    auto impl = std::make_unique<Impl>(zmq::socket_type::dealer, limits);
    impl->socket.connect(connect_endpoint);
    impl->endpoint = connect_endpoint;
    return Socket(std::move(impl));
  } catch (const zmq::error_t& error) {
    return from(error, connect_endpoint, "cannot connect");
  }
}

const std::string& Socket::endpoint() const { return impl_->endpoint; }

std::optional<Received> Socket::receive() {
  auto& socket = impl_->socket;
  try {
    for (;;) {
      Received received;
      bool too_long = false;
      std::size_t index = 0;
      for (bool more = true; more; ++index) {
        zmq::message_t frame;
        if (!socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
        more = frame.more();
        if (impl_->is_router && index == 0) {
          received.peer = frame.to_string();
        } else if (received.frames.size() < impl_->limits.frames) {
          received.frames.push_back(frame.to_string());
        } else {
          too_long = true;
        }
      }
      if (!too_long && !received.frames.empty()) return received;
    }
  } catch (const zmq::error_t&) {
    return std::nullopt;  // interrupted by a signal: the caller polls again
  }
}

Status Socket::send(std::vector<std::string> frames, const std::string& peer) {
  CHECK(!frames.empty());
  auto& socket = impl_->socket;
  try {
    if (impl_->is_router) {
      constexpr auto kFlags = zmq::send_flags::sndmore | zmq::send_flags::dontwait;
      if (!socket.send(zmq::buffer(peer), kFlags))
        return {StatusCode::kUnavailable, "the peer's queue is full"};
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
      auto flags = zmq::send_flags::dontwait;
      if (i + 1 < frames.size()) flags = flags | zmq::send_flags::sndmore;
      if (!socket.send(zmq::buffer(frames[i]), flags)) {
        return {StatusCode::kUnavailable, fmt::format("{}: the queue is full", impl_->endpoint)};
      }
    }
    return {};
  } catch (const zmq::error_t& error) {
    return {StatusCode::kUnavailable, fmt::format("{}: {}", impl_->endpoint, error.what())};
  }
}

bool wait_readable(std::span<Socket* const> sockets, std::span<const int> fds,
                   std::chrono::milliseconds timeout) {
  std::vector<zmq::pollitem_t> items;
  for (Socket* socket : sockets)
    items.push_back({socket->impl_->socket.handle(), 0, ZMQ_POLLIN, 0});
  for (const int fd : fds) items.push_back({nullptr, fd, ZMQ_POLLIN, 0});
  try {
    return zmq::poll(items, timeout) > 0;
  } catch (const zmq::error_t&) {
    return false;
  }
}

WakeUp::WakeUp() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(fd_ >= 0); }
WakeUp::~WakeUp() { ::close(fd_); }

void WakeUp::signal() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof(one));
}

void WakeUp::clear() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(fd_, &count, sizeof(count));
}

}  // namespace mimicfleet::net
