#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/mutex.h"
#include "common/net/socket.h"
#include "worker/agent/session.h"

namespace mimicfleet::agent {

// Talks to the coordinator on the thread that calls run(). It waits only for messages, events and
// time: never for a disk, a device, or a lock that another thread holds for long. Owns the socket
// and the Session. A lost connection is made again for ever.
class Agent {
 public:
  // The connection is made in the background; kInvalidArgument for a malformed endpoint.
  [[nodiscard]] static Result<std::unique_ptr<Agent>> connect(const std::string& endpoint,
                                                              jobs::WorkerHello hello,
                                                              SessionOptions options);

  // From any thread, before and during run().
  void post(worker::Event&& event);

  // Called about every second on the agent's thread; true ends the session as Stop does.
  void set_stop_condition(std::function<bool()> condition) {
    stop_condition_ = std::move(condition);
  }

  // Called on the agent's thread, by and by, while the coordinator is silent: where it may be now;
  // empty if nothing is known. It may read a small file: nothing else is to be done then.
  void set_search(std::function<std::string()> search) { search_ = std::move(search); }

  // Called on the agent's thread each time it comes round, about every second at least.
  void set_observer(std::function<void(const Session&)> observer) {
    observer_ = std::move(observer);
  }

  // Until the session is over: Stop was posted or `stop` signalled (also from a signal handler),
  // the coordinator asked for it, or a drain is done. ok, or why the coordinator refused this
  // worker.
  [[nodiscard]] Status run(worker::TaskRunner& runner, const net::WakeUp& stop);

 private:
  Agent(std::string endpoint, net::Socket socket, jobs::WorkerHello hello, SessionOptions options);
  void wait(const net::WakeUp& stop);
  void handle_events(Instant now);
  void carry_out(Actions actions, worker::TaskRunner& runner);
  void reconnect();

  std::string endpoint_;
  net::Socket socket_;
  SteadyClock clock_;
  Session session_;
  Status refusal_;
  bool left_ = false;
  bool silent_ = false;  // the coordinator, since the last new connection
  std::function<bool()> stop_condition_ = [] { return false; };
  std::function<void(const Session&)> observer_ = [](const Session&) {};
  std::function<std::string()> search_ = [] { return std::string(); };
  net::WakeUp wake_up_;
  Mutex mutex_;
  std::vector<worker::Event> events_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::agent
