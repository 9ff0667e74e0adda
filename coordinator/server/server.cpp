#include "coordinator/server/server.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/log.h"
#include "jobs/events.h"

namespace mimicfleet::coordinator {
namespace {

constexpr int kMessagesPerCommit = 512;
constexpr auto kLookGap = std::chrono::milliseconds(100);

// For administrators: which task of which job failed on which host.
void log_setback(const jobs::Event& event) {
  const jobs::EventFacts* facts = jobs::find_event(event.kind);
  if (facts == nullptr || !facts->is_setback) return;
  const std::string where = event.host.empty() ? event.worker : event.worker + " on " + event.host;
  if (facts->of == jobs::EventFacts::Of::kTask) {
    log::warn("job {}, {} of {}, attempt {} by {}: {}: {}", event.job, to_string(event.task_kind),
              log::printable(event.name), event.attempt, log::printable(where), event.kind,
              log::printable(event.detail));
  } else {
    log::warn("job {}, worker {}: {}", event.job, log::printable(where),
              log::printable(event.detail));
  }
}

}  // namespace

Server::Server(net::Socket socket, std::unique_ptr<JobStore> store, SchedulerConfig config,
               std::uint32_t heartbeat_ms, std::string state_dir)
    : socket_(std::move(socket)),
      store_(std::move(store)),
      state_dir_(std::move(state_dir)),
      heartbeat_ms_(heartbeat_ms),
      started_(clock_.now()) {
  state_.config = config;
  state_.epoch = store_->epoch();
}

Status Server::restore() {
  ASSIGN_OR_RETURN(JobStore::Contents contents, store_->load());
  state_.next_sequence = contents.last_sequence + 1;
  for (const auto& job : contents.jobs) submitted_[job.request] = job.id;
  const std::size_t jobs = contents.jobs.size();
  const std::size_t tasks = contents.tasks.size();
  coordinator::restore(state_, std::move(contents.jobs), std::move(contents.tasks), clock_.now());
  if (jobs > 0) log::info("epoch {}: recovered {} jobs with {} tasks", state_.epoch, jobs, tasks);
  return {};
}

const std::map<std::string_view, Server::Handler>& Server::handlers() {
  static const std::map<std::string_view, Handler> table = {
      {jobs::WorkerHello::kType, &Server::on_worker_hello},
      {jobs::WorkerHeartbeat::kType, &Server::on_worker_heartbeat},
      {jobs::TaskCompleted::kType, &Server::on_task_completed},
      {jobs::TaskFailed::kType, &Server::on_task_failed},
      {jobs::WorkerGoodbye::kType, &Server::on_worker_goodbye},
      {jobs::ServerInfoRequest::kType, &Server::on_server_info},
      {jobs::JobSubmit::kType, &Server::on_job_submit},
      {jobs::JobListRequest::kType, &Server::on_job_list},
      {jobs::JobCancel::kType, &Server::on_job_cancel},
      {jobs::JobRetry::kType, &Server::on_job_retry},
      {jobs::TaskListRequest::kType, &Server::on_task_list},
      {jobs::EventsRequest::kType, &Server::on_events},
      {jobs::HeldLatentsRequest::kType, &Server::on_held_latents},
      {jobs::WorkerListRequest::kType, &Server::on_worker_list},
      {jobs::WorkerStop::kType, &Server::on_worker_stop},
      {jobs::FeatureQuery::kType, &Server::on_feature_query},
  };
  return table;
}

std::vector<std::string_view> Server::message_types() {
  std::vector<std::string_view> types;
  for (const auto& [type, handler] : handlers()) types.push_back(type);
  return types;
}

void Server::run(const net::WakeUp& stop) {
  Instant next_tick = clock_.now() + state_.config.tick;
  const std::array<net::Socket*, 1> sockets = {&socket_};
  const std::array<int, 1> fds = {stop.fd()};
  for (;;) {
    const Instant due = unseen_ ? std::min(next_tick, next_look_) : next_tick;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - clock_.now());
    net::wait_readable(sockets, fds, std::max(left, std::chrono::milliseconds(0)));
    if (net::wait_readable({}, fds, std::chrono::milliseconds(0))) return;
    read_all();
    if (clock_.now() >= next_tick) {
      tick();
      next_tick = clock_.now() + state_.config.tick;
    }
    commit_and_send();
    on_turn_();
    let_look();
  }
}

// A burst of messages is many rounds, and costs no more looks for that.
void Server::let_look() {
  const Instant now = clock_.now();
  unseen_ = now < next_look_;
  if (unseen_) return;
  next_look_ = now + kLookGap;
  for (Observer* observer : observers_) observer->look(state_, now);
}

void Server::read_all() {
  for (int count = 0; count < kMessagesPerCommit; ++count) {
    const auto received = socket_.receive();
    if (!received) return;
    handle(*received);
  }
}

void Server::tick() {
  read_all();  // a lease must not end because its renewal was still in the queue
  apply(Tick{});
}

void Server::handle(const net::Received& received) {
  const auto envelope = wire::open_envelope(received.frames.front());
  if (!envelope.ok()) {
    log::warn("refused a message: {}", log::printable(envelope.status().message()));
    const bool version = envelope.status().code() == StatusCode::kUnsupported;
    refuse(received.peer, wire::Envelope{}, envelope.status(),
           version ? Refusal::kVersion : Refusal::kMalformed);
    return;
  }
  const auto handler = handlers().find(envelope->type);
  if (handler == handlers().end()) {
    refuse(received.peer, *envelope,
           Status(StatusCode::kUnsupported,
                  fmt::format("unknown request '{}'", log::printable(envelope->type))),
           Refusal::kUnknownType);
    return;
  }
  for (Observer* observer : observers_) observer->on_message(handler->first);
  (this->*handler->second)(*envelope, received.peer);
}

Decision Server::apply(const Input& input) {
  Decision decision = decide(state_, input, clock_.now());
  dirty_tasks_.insert(decision.changed_tasks.begin(), decision.changed_tasks.end());
  dirty_jobs_.insert(decision.changed_jobs.begin(), decision.changed_jobs.end());
  note_when_jobs_ended(decision.changed_jobs);
  unsaved_tally_.add(decision.tally);
  for (auto& event : decision.events) {
    event.wall_time_ms = wall_clock_ms();
    log_setback(event);
    unsaved_events_.push_back(event);
  }
  for (const auto& grant : decision.grants) {
    const auto peer = peers_.find(grant.worker);
    if (peer != peers_.end())
      outbox_.push_back({peer->second, wire::seal(grant.lease, new_id<RequestId>())});
  }
  return decision;
}

void Server::note_when_jobs_ended(const std::vector<JobId>& changed) {
  for (const JobId& id : changed) {
    Job& job = state_.jobs.at(id);
    job.ended_wall_ms = job.ended ? wall_clock_ms() : 0;
  }
}

Status Server::store(const std::vector<const Job*>& jobs, const std::vector<const Task*>& tasks,
                     const std::vector<jobs::Event>& events) {
  if (jobs.empty() && tasks.empty() && events.empty()) return {};
  const Instant begin = clock_.now();
  Status stored = store_->commit(jobs, tasks, events);
  const Duration took = clock_.now() - begin;
  for (Observer* observer : observers_) {
    stored.ok() ? observer->on_store_write(took) : observer->on_store_failure();
  }
  return stored;
}

void Server::commit_and_send() {
  std::vector<const Job*> jobs;
  std::vector<const Task*> tasks;
  for (const JobId& id : dirty_jobs_) jobs.push_back(&state_.jobs.at(id));
  for (const TaskId& id : dirty_tasks_) tasks.push_back(&state_.tasks.at(id));
  const Status saved = store(jobs, tasks, unsaved_events_);
  if (!saved.ok()) {  // nothing that depends on it leaves; the next round tries again
    if (!disk_trouble_)
      log::error("cannot store the state: {}; the coordinator goes on by itself when it can",
                 saved.message());
    disk_trouble_ = true;
    return;
  }
  if (disk_trouble_) log::info("the state can be stored again");
  disk_trouble_ = false;
  for (Observer* observer : observers_) observer->on_commit(unsaved_events_, unsaved_tally_);
  dirty_jobs_.clear();
  dirty_tasks_.clear();
  unsaved_events_.clear();
  unsaved_tally_ = {};
  for (auto& message : outbox_) {
    const Status sent = socket_.send({std::move(message.bytes)}, message.peer);
    if (!sent.ok())
      log::debug("a reply was not sent: {}",
                 sent.message());  // the peer asks again, or its lease ends
  }
  outbox_.clear();
}

void Server::refuse(const std::string& peer, const wire::Envelope& request, const Status& status,
                    Refusal reason) {
  for (Observer* observer : observers_) observer->on_refusal(reason);
  reply(peer, request, jobs::ErrorReply{status});
}

void Server::reply_ok_or(const std::string& peer, const wire::Envelope& request,
                         const Status& status) {
  if (status.ok()) {
    reply(peer, request, jobs::OkReply{});
  } else {
    refuse(peer, request, status);
  }
}

}  // namespace mimicfleet::coordinator
