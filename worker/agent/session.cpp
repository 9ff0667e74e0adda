#include "worker/agent/session.h"

#include <algorithm>

#include "common/log.h"
#include "jobs/stages.h"

namespace mimicfleet::agent {
namespace {

// Whose answers are still waited for.
constexpr std::size_t kBeatsAtMost = 128;

}  // namespace

Session::Session(jobs::WorkerHello hello, SessionOptions options, Instant now)
    : hello_(std::move(hello)),
      options_(options),
      last_sent_(now),
      last_heard_(now),
      idle_since_(now) {
  send_hello(now);
}

// ---- what happened

void Session::on_message(std::string_view bytes, Instant now) {
  const auto envelope = wire::open_envelope(bytes);
  if (!envelope.ok()) return on_refusal(envelope.status(), now);
  last_heard_ = now;
  heard_ = true;
  const auto with = [&](auto parsed, auto&& handle) {
    if (!parsed.ok())
      return log::warn("coordinator: {}", log::printable(parsed.status().message()));
    handle(std::move(*parsed));
  };
  using namespace jobs;
  if (envelope->type == WorkerWelcome::kType) {
    with(wire::body_as<WorkerWelcome>(*envelope), [&](const auto& body) { on_welcome(body, now); });
  } else if (envelope->type == HeartbeatReply::kType) {
    with(wire::body_as<HeartbeatReply>(*envelope),
         [&](const auto& body) { on_heartbeat_reply(envelope->request, body, now); });
  } else if (envelope->type == LeaseGrant::kType) {
    with(wire::body_as<LeaseGrant>(*envelope),
         [&](LeaseGrant body) { on_grant(std::move(body), now); });
  } else if (envelope->type == OkReply::kType) {
    on_answer(envelope->request, Status(), now);
  } else if (envelope->type == ErrorReply::kType) {
    with(wire::body_as<ErrorReply>(*envelope),
         [&](const auto& body) { on_answer(envelope->request, body.status, now); });
  } else {
    log::debug("coordinator: a message of the unknown type '{}'", log::printable(envelope->type));
  }
}

bool Session::accept_epoch(std::uint64_t epoch) {
  if (epoch < epoch_) {
    if (!std::exchange(warned_of_old_epoch_, true)) {
      log::warn("a coordinator of epoch {} is ignored: this worker has seen epoch {}", epoch,
                epoch_);
    }
    return false;
  }
  epoch_ = epoch;
  return true;
}

// Trying again does not help against another version of the protocol; anything else may pass.
void Session::on_refusal(const Status& status, Instant now) {
  log::warn("coordinator: {}", log::printable(status.message()));
  if (status.code() != StatusCode::kUnsupported) return;
  actions_.refusal = status;
  on_stop(now);
}

void Session::on_welcome(const jobs::WorkerWelcome& welcome, Instant now) {
  if (!accept_epoch(welcome.epoch)) return;
  heartbeat_ = std::clamp<Duration>(std::chrono::milliseconds(welcome.heartbeat_ms),
                                    std::chrono::milliseconds(10), std::chrono::seconds(60));
  lease_ = std::chrono::milliseconds(welcome.lease_ms);
  welcome_ = true;
  urgent_ = true;
  for (auto& [attempt, report] : reports_) send_report(report, now);
}

void Session::on_heartbeat_reply(RequestId request, const jobs::HeartbeatReply& reply,
                                 Instant now) {
  if (!accept_epoch(reply.epoch)) return;
  for (const auto& attempt : reply.revoked) revoke(attempt);
  confirm_leases(request);
  if (reply.stop) return on_stop(now);
  if (reply.drain && phase_ == Phase::kReady) {
    phase_ = Phase::kDraining;
    urgent_ = true;
  }
  leave_if_drained(now);
}

// The coordinator renewed them when the heartbeat came, so at the earliest when it was sent.
void Session::confirm_leases(RequestId request) {
  const auto beat = std::find_if(beats_.begin(), beats_.end(),
                                 [&](const Beat& sent) { return sent.request == request; });
  if (beat == beats_.end()) return;
  for (const auto& attempt : beat->leases) {
    const auto lease = leases_.find(attempt);
    if (lease == leases_.end() || lease->second.revoked) continue;
    actions_.confirm.push_back({attempt, beat->sent + lease_});
  }
  beats_.erase(beats_.begin(), std::next(beat));
}

void Session::on_grant(jobs::LeaseGrant grant, Instant now) {
  if (!accept_epoch(grant.epoch)) return;
  const jobs::TaskAttempt attempt{grant.spec.id, grant.attempt};
  if (leases_.contains(attempt) || reports_.contains(attempt)) return;
  if (free_slots() == 0) {
    const Status status(StatusCode::kUnavailable, "the worker takes no more tasks now");
    return report(attempt,
                  jobs::TaskFailed{hello_.worker, epoch_, attempt, status, true, {}, false}, now);
  }
  leases_[attempt].progress = {attempt.task, attempt.attempt, std::string(jobs::kQueued), 0, 0};
  actions_.start.push_back(std::move(grant));
  urgent_ = true;
}

// The answer to a result, a goodbye, or, when it fits neither, a heartbeat of a worker that is not
// known.
void Session::on_answer(RequestId request, const Status& status, Instant now) {
  if (request == goodbye_ && !goodbye_.is_nil()) {
    phase_ = Phase::kLeft;
    actions_.left = true;
    return;
  }
  const auto found = std::find_if(reports_.begin(), reports_.end(), [&](const auto& entry) {
    return entry.second.request == request;
  });
  if (found == reports_.end()) {
    if (status.ok()) return;
    if (request == last_hello_) return on_refusal(status, now);
    if (status.code() == StatusCode::kNotFound && welcome_) send_hello(now);
    return;
  }
  if (status.retryable()) return;  // it stays and is sent again
  if (!status.ok()) log::warn("a result was not taken: {}", log::printable(status.message()));
  reports_.erase(found);
  if (holds_nothing()) idle_since_ = now;
  leave_if_drained(now);
}

void Session::on_holding(Holding holding, Instant now) {
  hello_.data_endpoint = std::move(holding.data_endpoint);
  hello_.artefacts = std::move(holding.artefacts);
  if (hello_.artefacts.size() > options_.max_artefacts)
    hello_.artefacts.resize(options_.max_artefacts);
  send_hello(now);
}

void Session::on_ready(Ready ready, Instant now) {
  hello_.device = std::move(ready.device);
  hello_.numerics = std::move(ready.numerics);
  hello_.model_sets = std::move(ready.model_sets);
  hello_.model_folders = std::move(ready.model_folders);
  hello_.features = std::move(ready.features);
  hello_.abilities = std::move(ready.abilities);
  if (phase_ == Phase::kLoading) phase_ = Phase::kReady;
  idle_since_ = now;
  send_hello(now);
}

void Session::on_progress(const jobs::TaskProgress& progress, Instant) {
  const auto lease = leases_.find({progress.task, progress.attempt});
  if (lease == leases_.end() || lease->second.revoked) return;
  lease->second.progress = progress;
  urgent_ = true;
}

void Session::on_computed(const Computed& computed) {
  const auto lease = leases_.find(computed.attempt);
  if (lease == leases_.end()) return;
  lease->second.progress = {computed.attempt.task, computed.attempt.attempt,
                            std::string(jobs::kMux), 0, 0};
  urgent_ = true;
}

void Session::on_end(TaskEnd end, Instant now) {
  const auto lease = leases_.find(end.attempt);
  if (lease == leases_.end()) return;
  const bool revoked = lease->second.revoked;
  leases_.erase(lease);
  urgent_ = true;
  if (holds_nothing()) idle_since_ = now;
  if (revoked) {
    leave_if_drained(now);
  } else if (end.status.ok()) {
    remember_holdings(end.result);
    report(end.attempt,
           jobs::TaskCompleted{hello_.worker, epoch_, end.attempt, std::move(end.result)}, now);
  } else {
    report(end.attempt,
           jobs::TaskFailed{hello_.worker, epoch_, end.attempt, end.status, false,
                            std::move(end.lost_inputs), end.of_host},
           now);
  }
}

void Session::on_stop(Instant now) {
  if (phase_ == Phase::kLeaving || phase_ == Phase::kLeft) return;
  phase_ = Phase::kLeaving;
  leave_by_ = now + options_.goodbye_wait;
  for (auto& [attempt, lease] : leases_) revoke(attempt);
  for (auto& [attempt, report] : reports_)
    send_report(report, now);  // before the goodbye gives all back
  goodbye_ = send(jobs::WorkerGoodbye{hello_.worker});
}

void Session::on_stop_request(Instant now) {
  const bool drains = phase_ == Phase::kReady || phase_ == Phase::kDraining;
  if (!drains || drain_by_ || options_.drain_on_stop <= Duration::zero()) return on_stop(now);
  phase_ = Phase::kDraining;
  drain_by_ = now + options_.drain_on_stop;
  urgent_ = true;
  hand_back_queued(now);
  leave_if_drained(now);
}

// What has not begun begins sooner elsewhere.
void Session::hand_back_queued(Instant now) {
  for (auto& [attempt, lease] : leases_) {
    if (lease.revoked || lease.progress.stage != jobs::kQueued) continue;
    revoke(attempt);
    const Status status(StatusCode::kUnavailable, "the worker was asked to stop");
    report(attempt, jobs::TaskFailed{hello_.worker, epoch_, attempt, status, true, {}, false}, now);
  }
}

void Session::on_time(Instant now) {
  if (phase_ == Phase::kLeft) return;
  if (phase_ == Phase::kLeaving) {
    if (now < leave_by_) return;
    phase_ = Phase::kLeft;
    actions_.left = true;
    return;
  }
  if (drain_by_ && now >= *drain_by_) return on_stop(now);
  if (now - last_heard_ >= options_.silence) {
    last_heard_ = now;
    heard_ = false;
    actions_.reconnect = true;
    actions_.messages.clear();
    send_hello(now);
  }
  for (auto& [attempt, report] : reports_) {
    if (now >= report.next_send) send_report(report, now);
  }
  if (now - last_sent_ >= heartbeat_gap()) welcome_ ? send_heartbeat(now) : send_hello(now);
  const bool idle = phase_ == Phase::kReady && holds_nothing();
  if (options_.leave_when_idle && idle && now - idle_since_ >= *options_.leave_when_idle)
    on_stop(now);
}

Duration Session::heartbeat_gap() const {
  return welcome_ && urgent_ ? options_.min_heartbeat_gap : heartbeat_;
}

Instant Session::next_due() const {
  if (phase_ == Phase::kLeaving) return leave_by_;
  Instant due = std::min(last_heard_ + options_.silence, last_sent_ + heartbeat_gap());
  if (drain_by_) due = std::min(due, *drain_by_);
  for (const auto& [attempt, report] : reports_) due = std::min(due, report.next_send);
  if (options_.leave_when_idle && phase_ == Phase::kReady && holds_nothing()) {
    due = std::min(due, idle_since_ + *options_.leave_when_idle);
  }
  return due;
}

// ---- what is sent

template <typename T>
RequestId Session::send(const T& message) {
  const auto request = new_id<RequestId>();
  actions_.messages.push_back(wire::seal(message, request));
  return request;
}

void Session::send_hello(Instant now) {
  hello_.running = running();
  last_hello_ = send(hello_);
  welcome_ = false;
  last_sent_ = now;
}

void Session::send_heartbeat(Instant now) {
  Beat beat{send(jobs::WorkerHeartbeat{hello_.worker, state(), free_slots(), running()}), now, {}};
  for (const auto& [attempt, lease] : leases_) beat.leases.push_back(attempt);
  beats_.push_back(std::move(beat));
  if (beats_.size() > kBeatsAtMost) beats_.pop_front();
  last_sent_ = now;
  urgent_ = false;
}

void Session::report(jobs::TaskAttempt attempt,
                     std::variant<jobs::TaskCompleted, jobs::TaskFailed> message, Instant now) {
  Report& entry = reports_[attempt];
  entry.message = std::move(message);
  entry.gap = options_.repeat_after;
  send_report(entry, now);
}

void Session::send_report(Report& report, Instant now) {
  report.request = std::visit([&](const auto& message) { return send(message); }, report.message);
  report.next_send = now + report.gap;
  report.gap = std::min(2 * report.gap, options_.repeat_at_most);
}

void Session::revoke(jobs::TaskAttempt attempt) {
  const auto lease = leases_.find(attempt);
  if (lease == leases_.end() || lease->second.revoked) return;
  lease->second.revoked = true;
  actions_.cancel.push_back(attempt);
}

// So that a coordinator that restarts learns of them.
void Session::remember_holdings(const jobs::TaskResult& result) {
  if (result.latents) {
    auto& artefacts = hello_.artefacts;
    artefacts.insert(artefacts.begin(), *result.latents);
    if (artefacts.size() > options_.max_artefacts) artefacts.pop_back();
  }
  for (const auto& use : result.features) {
    if (!use.kept || use.outcome == jobs::FeatureOutcome::kHit) continue;
    auto& features = hello_.features;
    features.insert(features.begin(), {use.tag, use.made_seconds});
    if (features.size() > options_.max_features) features.pop_back();
  }
}

void Session::leave_if_drained(Instant now) {
  if (phase_ == Phase::kDraining && holds_nothing()) on_stop(now);
}

// ---- what is held

std::uint32_t Session::free_slots() const {
  if (phase_ != Phase::kReady) return 0;
  const auto held = static_cast<std::uint32_t>(std::count_if(
      leases_.begin(), leases_.end(),
      [](const auto& lease) { return jobs::takes_slot(lease.second.progress.stage); }));
  return options_.slots > held ? options_.slots - held : 0;
}

// Results that wait for their answer keep their lease alive, too.
std::vector<jobs::TaskProgress> Session::running() const {
  std::vector<jobs::TaskProgress> list;
  for (const auto& [attempt, lease] : leases_) {
    if (!lease.revoked) list.push_back(lease.progress);
  }
  for (const auto& [attempt, report] : reports_) {
    if (std::holds_alternative<jobs::TaskCompleted>(report.message)) {
      list.push_back({attempt.task, attempt.attempt, std::string(jobs::kReported), 0, 0});
    }
  }
  return list;
}

jobs::WorkerState Session::state() const {
  switch (phase_) {
    case Phase::kLoading:
      return jobs::WorkerState::kLoading;
    case Phase::kReady:
      return jobs::WorkerState::kReady;
    default:
      return jobs::WorkerState::kDraining;
  }
}

}  // namespace mimicfleet::agent
