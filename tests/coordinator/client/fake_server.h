#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "common/check.h"
#include "common/net/socket.h"
#include "common/wire/envelope.h"
#include "jobs/client_messages.h"

namespace mimicfleet::coordinator {

// A coordinator that answers over a real socket with whatever a test gives it; what it has no
// answer for it leaves unanswered.
class FakeServer {
 public:
  using Handler = std::function<std::optional<std::string>(const wire::Envelope&)>;

  FakeServer() : socket_(*net::Socket::router("tcp://127.0.0.1:*")) {
    on<jobs::ServerInfoRequest>([](const auto&) { return jobs::ServerInfo(); });
  }
  ~FakeServer() { stop(); }

  // Before a test looks at what its handlers noted.
  void stop() {
    stop_.signal();
    if (thread_.joinable()) thread_.join();
  }

  // Before start(). `answer` takes a Request and returns a reply.
  template <typename Request, typename Answer>
  void on(Answer answer) {
    handlers_[std::string(Request::kType)] = [answer](const wire::Envelope& envelope) {
      const auto request = wire::body_as<Request>(envelope);
      CHECK(request.ok());
      return std::optional(wire::seal(answer(*request), envelope.request));
    };
  }
  void on_bytes(std::string_view type, Handler handler) {
    handlers_[std::string(type)] = std::move(handler);
  }

  const std::string& start() {
    thread_ = std::thread([this] { run(); });
    return socket_.endpoint();
  }

 private:
  void run() {
    const std::array<net::Socket*, 1> sockets = {&socket_};
    const std::array<int, 1> fds = {stop_.fd()};
    for (;;) {
      net::wait_readable(sockets, fds, std::chrono::seconds(10));
      while (const auto received = socket_.receive()) answer(*received);
      if (net::wait_readable({}, fds, std::chrono::milliseconds(0))) return;
    }
  }
  void answer(const net::Received& received) {
    const auto envelope = wire::open_envelope(received.frames.front());
    CHECK(envelope.ok());
    const auto handler = handlers_.find(envelope->type);
    if (handler == handlers_.end()) return;
    if (auto bytes = handler->second(*envelope))
      static_cast<void>(socket_.send({*bytes}, received.peer));
  }

  net::Socket socket_;
  net::WakeUp stop_;
  std::map<std::string, Handler> handlers_;
  std::thread thread_;
};

}  // namespace mimicfleet::coordinator
