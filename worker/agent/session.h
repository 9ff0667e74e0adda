#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/clock.h"
#include "common/wire/envelope.h"
#include "jobs/messages.h"
#include "worker/agent/session_options.h"
#include "worker/task.h"

namespace mimicfleet::agent {

// What a session wants done after something happened.
struct Actions {
  bool reconnect = false;             // first: drop the connection and its queued messages
  std::vector<std::string> messages;  // to the coordinator
  std::vector<jobs::TaskAttempt> cancel;
  std::vector<jobs::LeaseGrant> start;
  std::vector<worker::Confirmation> confirm;
  bool left = false;  // the session is over
  Status refusal;     // why the coordinator does not want this worker
};

// One worker's side of the protocol with the coordinator (docs/protocol.md): hello, heartbeats,
// leases, results that are repeated until they are answered, and leaving. Pure: it has no sockets,
// threads or clocks. The agent calls it on one thread and carries out its Actions. It owns the
// leases of this worker; a message that it cannot read is logged and dropped.
//
//   loading ──ready──► ready ──drain──► draining ──nothing held──► leaving ──answered, or time is
//   up──► left
//      └────────────────┴─────────stop──────┴─────────────────────────┘
//
// A worker that leaves says goodbye, which gives back all its leases without penalty. With
// `drain_on_stop` a first request to stop drains, for that long at most, and a second one stops.
class Session {
 public:
  // `hello` says who the worker is. on_ready() and on_holding() fill in the rest.
  Session(jobs::WorkerHello hello, SessionOptions options, Instant now);

  void on_message(std::string_view bytes, Instant now);
  void on_holding(worker::Holding holding, Instant now);
  void on_ready(worker::Ready ready, Instant now);
  void on_progress(const jobs::TaskProgress& progress, Instant now);
  void on_computed(const worker::Computed& computed);
  void on_end(worker::TaskEnd end, Instant now);
  void on_stop(Instant now);
  void on_stop_request(Instant now);  // a signal
  void on_time(Instant now);

  [[nodiscard]] Actions take_actions() { return std::exchange(actions_, {}); }
  // When on_time should be called if nothing else happens.
  [[nodiscard]] Instant next_due() const;

  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint32_t free_slots() const;
  [[nodiscard]] bool is_leaving() const {
    return phase_ == Phase::kLeaving || phase_ == Phase::kLeft;
  }
  [[nodiscard]] jobs::WorkerState state() const;
  // Whether the coordinator has answered since the last new connection.
  [[nodiscard]] bool is_connected() const { return welcome_ && heard_; }
  [[nodiscard]] std::size_t tasks() const { return leases_.size(); }

 private:
  struct Lease {
    jobs::TaskProgress progress;
    // The coordinator does not want its result any more, but it may still take a slot, see
    // takes_slot().
    bool revoked = false;
  };
  // A result on its way; repeated until it is answered.
  struct Report {
    std::variant<jobs::TaskCompleted, jobs::TaskFailed> message;
    RequestId request;
    Instant next_send;
    Duration gap;
  };
  // A heartbeat without an answer so far.
  struct Beat {
    RequestId request;
    Instant sent;
    std::vector<jobs::TaskAttempt> leases;
  };
  enum class Phase { kLoading, kReady, kDraining, kLeaving, kLeft };

  void on_welcome(const jobs::WorkerWelcome& welcome, Instant now);
  void on_heartbeat_reply(RequestId request, const jobs::HeartbeatReply& reply, Instant now);
  void confirm_leases(RequestId request);
  void on_grant(jobs::LeaseGrant grant, Instant now);
  void on_answer(RequestId request, const Status& status, Instant now);
  void on_refusal(const Status& status, Instant now);
  // False for messages of a coordinator that has been replaced.
  [[nodiscard]] bool accept_epoch(std::uint64_t epoch);

  template <typename T>
  RequestId send(const T& message);
  void send_hello(Instant now);
  void send_heartbeat(Instant now);
  void report(jobs::TaskAttempt attempt,
              std::variant<jobs::TaskCompleted, jobs::TaskFailed> message, Instant now);
  void send_report(Report& report, Instant now);
  void revoke(jobs::TaskAttempt attempt);
  void remember_holdings(const jobs::TaskResult& result);
  void leave_if_drained(Instant now);
  void hand_back_queued(Instant now);
  [[nodiscard]] Duration heartbeat_gap() const;
  [[nodiscard]] bool holds_nothing() const { return leases_.empty() && reports_.empty(); }
  [[nodiscard]] std::vector<jobs::TaskProgress> running() const;

  jobs::WorkerHello hello_;
  SessionOptions options_;
  Phase phase_ = Phase::kLoading;
  std::uint64_t epoch_ = 0;
  Duration heartbeat_ = std::chrono::seconds(1);
  Duration lease_{};  // how long a heartbeat renews leases; zero before the welcome
  std::deque<Beat> beats_;
  bool welcome_ = false;  // the coordinator knows this worker
  bool heard_ = false;    // since the last new connection
  bool urgent_ = false;   // the next heartbeat is sent at once
  bool warned_of_old_epoch_ = false;
  Instant last_sent_;  // hello or heartbeat
  Instant last_heard_;
  Instant idle_since_;
  Instant leave_by_{};
  std::optional<Instant> drain_by_;
  RequestId last_hello_;
  RequestId goodbye_;
  std::map<jobs::TaskAttempt, Lease> leases_;
  std::map<jobs::TaskAttempt, Report> reports_;
  Actions actions_;
};

}  // namespace mimicfleet::agent
