#include <utility>

#include <fmt/format.h>

#include "common/log.h"
#include "coordinator/server/server.h"
#include "jobs/model_notice.h"

// What workers ask of the server.
namespace mimicfleet::coordinator {
namespace {

// Of the first of its models that has one.
std::string notice_of(const jobs::WorkerHello& hello) {
  for (const auto& set : hello.model_sets) {
    if (auto notice = jobs::notice_of(set.defaults); !notice.empty()) return notice;
  }
  return "";
}

constexpr std::size_t kLongestText = 256;  // bytes; each becomes a label of series

Status check_texts(const jobs::WorkerHello& hello) {
  const std::pair<const char*, const std::string&> texts[] = {
      {"name", hello.name},
      {"host", hello.host},
      {"device", hello.device},
      {"metrics_endpoint", hello.metrics_endpoint},
      {"slurm_job_id", hello.slurm_job_id}};
  for (const auto& [what, text] : texts) {
    if (text.size() <= kLongestText) continue;
    return {StatusCode::kInvalidArgument,
            fmt::format("the worker's {} is longer than {} bytes: give it a shorter one", what,
                        kLongestText)};
  }
  return {};
}

}  // namespace

// Somebody forgot --models: that worker does nothing of the jobs that the others are there for.
void Server::warn_of_mixed_models(const jobs::WorkerHello& hello) const {
  const auto known = state_.workers.find(hello.worker);
  if (known != state_.workers.end() && known->second.hello.model_sets == hello.model_sets) return;
  const auto warn = [](const jobs::WorkerHello& worker, const std::string& notice) {
    log::warn("worker {} has other models than the other workers: {}", log::printable(worker.name),
              log::printable(notice));
  };
  const std::string own = notice_of(hello);
  for (const auto& [id, other] : state_.workers) {
    const std::string others = notice_of(other.hello);
    if (id == hello.worker || hello.model_sets.empty() || other.hello.model_sets.empty()) continue;
    if (own.empty() == others.empty()) continue;
    own.empty() ? warn(other.hello, others) : warn(hello, own);
    if (!own.empty()) return;
  }
}

// On which device it computes it knows once it has loaded its models.
void Server::note_joining(const jobs::WorkerHello& hello) const {
  const auto known = state_.workers.find(hello.worker);
  const bool is_new = known == state_.workers.end();
  const std::string name = log::printable(hello.name);
  if (is_new && hello.model_sets.empty()) {
    log::info("worker {} joined and loads its models", name);
  } else if (is_new || known->second.hello.model_sets.empty()) {
    log::info("worker {} {}: {}", name, is_new ? "joined" : "has loaded its models",
              log::printable(hello.device));
  }
}

void Server::on_worker_hello(const wire::Envelope& request, const std::string& peer) {
  const auto hello = wire::body_as<jobs::WorkerHello>(request);
  if (!hello.ok()) return refuse_malformed(peer, request, hello.status());
  if (const Status wrong = check_texts(*hello); !wrong.ok()) return refuse(peer, request, wrong);
  note_joining(*hello);
  warn_of_mixed_models(*hello);
  peers_[hello->worker] = peer;
  apply(*hello);
  jobs::WorkerWelcome welcome;
  welcome.epoch = state_.epoch;
  welcome.heartbeat_ms = heartbeat_ms_;
  welcome.lease_ms = static_cast<std::uint32_t>(to_seconds(state_.config.lease) * 1000);
  reply(peer, request, welcome);
}

void Server::on_worker_heartbeat(const wire::Envelope& request, const std::string& peer) {
  const auto beat = wire::body_as<jobs::WorkerHeartbeat>(request);
  if (!beat.ok()) return refuse_malformed(peer, request, beat.status());
  if (state_.workers.contains(beat->worker)) peers_[beat->worker] = peer;
  const Decision decision = apply(*beat);
  if (!decision.reply.ok()) return refuse(peer, request, decision.reply);
  const Worker& worker = state_.workers.at(beat->worker);
  jobs::HeartbeatReply answer;
  answer.epoch = state_.epoch;
  answer.revoked = decision.revoked;
  answer.drain = worker.drain;
  answer.stop = worker.stop;
  reply(peer, request, answer);
}

void Server::on_task_completed(const wire::Envelope& request, const std::string& peer) {
  const auto done = wire::body_as<jobs::TaskCompleted>(request);
  if (!done.ok()) return refuse_malformed(peer, request, done.status());
  reply_ok_or(peer, request, apply(*done).reply);
}

void Server::on_task_failed(const wire::Envelope& request, const std::string& peer) {
  const auto failed = wire::body_as<jobs::TaskFailed>(request);
  if (!failed.ok()) return refuse_malformed(peer, request, failed.status());
  reply_ok_or(peer, request, apply(*failed).reply);
}

void Server::on_worker_goodbye(const wire::Envelope& request, const std::string& peer) {
  const auto goodbye = wire::body_as<jobs::WorkerGoodbye>(request);
  if (!goodbye.ok()) return refuse_malformed(peer, request, goodbye.status());
  apply(*goodbye);
  peers_.erase(goodbye->worker);
  reply(peer, request, jobs::OkReply{});
}

}  // namespace mimicfleet::coordinator
