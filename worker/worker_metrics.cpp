#include "worker/worker_metrics.h"

namespace mimicfleet::worker {
namespace {

constexpr const char* kStages[] = {"load",     "preprocess", "draw",       "clip", "vae_encode",
                                   "pose_net", "denoise",    "vae_decode", "mux",  "transfer"};
constexpr jobs::TaskKind kKinds[] = {jobs::TaskKind::kEncodeLatents, jobs::TaskKind::kDecodeVideo};
constexpr cache::Outcome kOutcomes[] = {cache::Outcome::kHit, cache::Outcome::kMiss,
                                        cache::Outcome::kDamaged};
constexpr const char* kCalls[] = {"video_decode", "image_decode", "detector", "clip", "vae_encode"};

}  // namespace

WorkerMetrics::WorkerMetrics(monitoring::Metrics& metrics)
    : cache_bytes_(metrics.gauge("mimicfleet_cache_bytes", "What the entries of the feature cache come to")),
      cache_limit_bytes_(
          metrics.gauge("mimicfleet_cache_limit_bytes", "What the entries of the feature cache may come to")),
      cache_evictions_(
          metrics.counter("mimicfleet_cache_evictions_total",
                          "Entries that were removed to keep the feature cache below its limit")),
      device_peak_bytes_(metrics.gauge("mimicfleet_device_memory_peak_bytes",
                                       "Most memory of the GPU that the last task's tensors had")),
      device_held_bytes_(metrics.gauge("mimicfleet_device_memory_held_bytes",
                                       "Memory of the GPU that the worker held after its last task")),
      model_loads_(metrics.counter("mimicfleet_model_loads_total", "Times that a model set was loaded")),
      unet_adaptations_(metrics.counter("mimicfleet_unet_adaptations_total",
                                        "Times that LoRAs were fused or another UNet was loaded")),
      unet_evaluations_(
          metrics.counter("mimicfleet_unet_evaluations_total", "Runs of the UNet over one tile of frames")),
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
    saved_seconds_.emplace(
        stage, metrics.counter("mimicfleet_cache_saved_seconds_total",
                               "Seconds that making what came out of the cache would have taken longer",
                               {{"stage", stage}}));
  }
  for (const auto kind : kKinds) {
    for (const char* state : {"done", "failed", "cancelled"}) {
      const monitoring::Labels labels = {{"kind", std::string(to_string(kind))}, {"state", state}};
      tasks_.emplace(std::pair(kind, state),
                     metrics.counter("mimicfleet_tasks_total", "Attempts by how they ended here", labels));
    }
  }
  for (const char* call : kCalls) {
    calls_.emplace(call, metrics.counter("mimicfleet_feature_computations_total",
                                         "Inputs decoded and features computed", {{"what", call}}));
  }
  for (const auto entry : jobs::kFeatureKinds) {
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
  if (found == stage_seconds_.end()) return;
  found->second.observe(timing.seconds);
  saved_seconds_.at(timing.stage).add(timing.saved_seconds);
}

void WorkerMetrics::device_memory(std::uint64_t peak_bytes, std::uint64_t held_bytes) const {
  device_peak_bytes_.set(static_cast<double>(peak_bytes));
  device_held_bytes_.set(static_cast<double>(held_bytes));
}

void WorkerMetrics::task_ended(jobs::TaskKind kind, const Status& status) const {
  const char* state = status.ok() ? "done" : status.code() == StatusCode::kCancelled ? "cancelled" : "failed";
  tasks_.at({kind, state}).add();
}

void WorkerMetrics::calls(const std::map<std::string, std::uint32_t>& calls) const {
  for (const auto& [what, times] : calls) {
    const auto found = calls_.find(what);
    if (found != calls_.end()) found->second.add(times);
  }
}

void WorkerMetrics::cache_request(cache::EntryKind entry, cache::Outcome outcome) const {
  cache_requests_.at({entry, outcome}).add();
}

void WorkerMetrics::cache_size(std::uint64_t bytes, std::size_t evicted) const {
  cache_bytes_.set(static_cast<double>(bytes));
  if (evicted > 0) cache_evictions_.add(static_cast<double>(evicted));
}

}  // namespace mimicfleet::worker
