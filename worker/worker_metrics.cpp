#include "worker/worker_metrics.h"

namespace mimicfleet::worker {
namespace {

constexpr const char* kStages[] = {"load",    "preprocess", "clip", "vae_encode", "pose_net",
                                   "denoise", "vae_decode", "mux",  "transfer"};
constexpr jobs::TaskKind kKinds[] = {jobs::TaskKind::kEncodeLatents, jobs::TaskKind::kDecodeVideo};
constexpr cache::Outcome kOutcomes[] = {cache::Outcome::kHit, cache::Outcome::kMiss,
                                        cache::Outcome::kDamaged};

}  // namespace

WorkerMetrics::WorkerMetrics(monitoring::Metrics& metrics)
    : model_loads_(metrics.counter("mimicfleet_model_loads_total", "Times that a model set was loaded")),
      sent_bytes_(metrics.counter("mimicfleet_transfer_bytes_total", "Bytes of latents between workers",
                                  {{"direction", "sent"}})),
      received_bytes_(metrics.counter("mimicfleet_transfer_bytes_total", "Bytes of latents between workers",
                                      {{"direction", "received"}})),
      refused_holders_(metrics.counter("mimicfleet_transfer_refused_holders_total",
                                       "Workers that sent other bytes than they should")) {
  for (const char* stage : kStages) {
    for (const bool warm : {false, true}) {
      const monitoring::Labels labels = {{"stage", stage}, {"cache", warm ? "warm" : "cold"}};
      stage_seconds_.emplace(std::pair(stage, warm),
                             metrics.histogram("mimicfleet_stage_seconds", "Seconds of each stage of a task",
                                               monitoring::stage_seconds_buckets(), labels));
    }
  }
  for (const auto kind : kKinds) {
    for (const char* state : {"done", "failed", "cancelled"}) {
      const monitoring::Labels labels = {{"kind", std::string(to_string(kind))}, {"state", state}};
      tasks_.emplace(std::pair(kind, state),
                     metrics.counter("mimicfleet_tasks_total", "Attempts by how they ended here", labels));
    }
  }
  for (const auto entry : cache::kEntryKinds) {
    for (const auto outcome : kOutcomes) {
      const monitoring::Labels labels = {{"entry", std::string(to_string(entry))},
                                         {"result", std::string(to_string(outcome))}};
      cache_requests_.emplace(
          std::pair(entry, outcome),
          metrics.counter("mimicfleet_cache_requests_total", "Requests to the feature cache", labels));
    }
  }
}

void WorkerMetrics::stage(const jobs::StageTiming& timing) const {
  const auto found = stage_seconds_.find({timing.stage, timing.warm});
  if (found != stage_seconds_.end()) found->second.observe(timing.seconds);
}

void WorkerMetrics::task_ended(jobs::TaskKind kind, const Status& status) const {
  const char* state = status.ok() ? "done" : status.code() == StatusCode::kCancelled ? "cancelled" : "failed";
  tasks_.at({kind, state}).add();
}

void WorkerMetrics::cache_request(cache::EntryKind entry, cache::Outcome outcome) const {
  cache_requests_.at({entry, outcome}).add();
}

}  // namespace mimicfleet::worker
