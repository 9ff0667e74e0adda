#include "worker/agent/agent.h"

#include <algorithm>

#include "common/log.h"

namespace mimicfleet::agent {
namespace {

constexpr auto kLongestWait = std::chrono::milliseconds(1000);

// Feeds events to the session.
struct EventVisitor {
  Session& session;
  Instant now;
  void operator()(worker::Holding& event) const { session.on_holding(std::move(event), now); }
  void operator()(worker::Ready& event) const { session.on_ready(std::move(event), now); }
  void operator()(jobs::TaskProgress& event) const { session.on_progress(event, now); }
  void operator()(worker::Computed& event) const { session.on_computed(event); }
  void operator()(worker::TaskEnd& event) const { session.on_end(std::move(event), now); }
  void operator()(worker::Stop&) const { session.on_stop(now); }
};

}  // namespace

Result<std::unique_ptr<Agent>> Agent::connect(const std::string& endpoint, jobs::WorkerHello hello,
                                              SessionOptions options) {
  ASSIGN_OR_RETURN(net::Socket socket, net::Socket::dealer(endpoint));
  return std::unique_ptr<Agent>(new Agent(endpoint, std::move(socket), std::move(hello), options));
}

Agent::Agent(std::string endpoint, net::Socket socket, jobs::WorkerHello hello,
             SessionOptions options)
    : endpoint_(std::move(endpoint)),
      socket_(std::move(socket)),
      session_(std::move(hello), options, clock_.now()) {}

void Agent::post(worker::Event&& event) {
  {
    const MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }
  wake_up_.signal();
}

Status Agent::run(worker::TaskRunner& runner, const net::WakeUp& stop) {
  carry_out(session_.take_actions(), runner);
  while (!left_) {
    wait(stop);
    const Instant now = clock_.now();
    while (const auto received = socket_.receive()) {
      if (std::exchange(silent_, false)) log::info("{}: answers", endpoint_);
      session_.on_message(received->frames.front(), now);
    }
    handle_events(now);
    const int stop_fd[] = {stop.fd()};
    if (net::wait_readable({}, stop_fd, std::chrono::milliseconds(0))) {
      stop.clear();
      session_.on_stop_request(now);
    }
    if (stop_condition_()) session_.on_stop(now);
    session_.on_time(now);
    observer_(session_);
    carry_out(session_.take_actions(), runner);
  }
  return refusal_;
}

void Agent::wait(const net::WakeUp& stop) {
  const auto until_due =
      std::chrono::ceil<std::chrono::milliseconds>(session_.next_due() - clock_.now());
  net::Socket* const sockets[] = {&socket_};
  const int fds[] = {wake_up_.fd(), stop.fd()};
  net::wait_readable(sockets, fds,
                     std::clamp(until_due, std::chrono::milliseconds(0), kLongestWait));
}

void Agent::handle_events(Instant now) {
  wake_up_.clear();
  std::vector<worker::Event> events;
  {
    const MutexLock lock(mutex_);
    events.swap(events_);
  }
  for (worker::Event& event : events) std::visit(EventVisitor{session_, now}, event);
}

void Agent::reconnect() {
  const std::string found = search_();
  if (!found.empty() && found != endpoint_) {
    log::warn("{}: does not answer; trying {} instead", endpoint_, log::printable(found));
    endpoint_ = found;
    silent_ = true;
  } else if (!std::exchange(silent_, true)) {
    log::warn("{}: does not answer; trying again", endpoint_);
  }
  if (auto socket = net::Socket::dealer(endpoint_); socket.ok()) socket_ = std::move(*socket);
}

void Agent::carry_out(Actions actions, worker::TaskRunner& runner) {
  if (actions.reconnect) reconnect();
  for (auto& message : actions.messages) {
    const Status sent = socket_.send({std::move(message)});
    if (!sent.ok()) log::debug("{}", sent.message());  // what matters is sent again
  }
  for (const auto& attempt : actions.cancel) runner.cancel(attempt);
  for (auto& lease : actions.start) runner.start(std::move(lease));
  for (const auto& lease : actions.confirm) runner.confirm(lease);
  if (!actions.refusal.ok()) refusal_ = actions.refusal;
  left_ = left_ || actions.left;
}

}  // namespace mimicfleet::agent
