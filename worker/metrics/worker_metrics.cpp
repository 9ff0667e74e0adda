#include "worker/metrics/worker_metrics.h"

#include "common/log.h"
#include "jobs/stages.h"

namespace mimicfleet::worker {
namespace {

using monitoring::Counter;
using monitoring::Metrics;

constexpr jobs::WorkerState kStates[] = {jobs::WorkerState::kLoading, jobs::WorkerState::kReady,
                                         jobs::WorkerState::kDraining};
constexpr jobs::TaskKind kKinds[] = {jobs::TaskKind::kEncodeLatents, jobs::TaskKind::kDecodeVideo};
constexpr cache::Outcome kOutcomes[] = {cache::Outcome::kHit, cache::Outcome::kMiss,
                                        cache::Outcome::kDamaged};
constexpr const char* kCalls[] = {"video_decode", "image_decode", "detector", "clip", "vae_encode"};
constexpr const char* kOtherEntries = "other";  // of a kind that this version does not know

template <typename Enum>
std::string text(Enum value) {
  return std::string(to_string(value));
}

Counter artefact_bytes(Metrics& metrics, const char* direction) {
  return metrics.counter(
      "mimicfleet_artefact_bytes_total",
      "Bytes of latents that workers sent to each other, by direction as this worker sees it",
      {{"direction", direction}});
}

}  // namespace

WorkerMetrics::WorkerMetrics(Metrics& metrics)
    : connected_(metrics.gauge("mimicfleet_worker_coordinator_connected",
                               "1 while the coordinator answers, 0 while it is silent")),
      videos_made_(metrics.counter("mimicfleet_worker_videos_made_total",
                                   "Videos that this worker has finished")),
      frames_made_(metrics.counter("mimicfleet_worker_frames_made_total",
                                   "Frames of the videos that this worker has finished")),
      cache_limit_bytes_(
          metrics.gauge("mimicfleet_cache_limit_bytes",
                        "Bytes that the entries of the feature cache may take together")),
      cache_evictions_(
          metrics.counter("mimicfleet_cache_evictions_total",
                          "Entries that were removed to keep the feature cache below its limit")),
      device_peak_bytes_(
          metrics.gauge("mimicfleet_device_memory_peak_bytes",
                        "Most memory of the GPU that tensors of the last task took")),
      device_held_bytes_(
          metrics.gauge("mimicfleet_device_memory_held_bytes",
                        "Memory of the GPU that the worker held after its last task")),
      model_loads_(
          metrics.counter("mimicfleet_model_loads_total", "Times that a model set was loaded")),
      unet_adaptations_(metrics.counter("mimicfleet_unet_adaptations_total",
                                        "Times that LoRAs were fused or another UNet was loaded")),
      unet_evaluations_(metrics.counter("mimicfleet_unet_evaluations_total",
                                        "Runs of the UNet over one tile of frames")),
      sent_bytes_(artefact_bytes(metrics, "sent")),
      received_bytes_(artefact_bytes(metrics, "received")),
      refused_replicas_(
          metrics.counter("mimicfleet_artefact_replicas_refused_total",
                          "Workers whose latents were refused: other bytes than they should be")) {
  for (const auto state : kStates) {
    states_.emplace(
        state, metrics.gauge("mimicfleet_worker_state", "1 for the state that the worker is in",
                             {{"state", text(state)}}));
  }
  standing(jobs::WorkerState::kLoading, false);
  add_stages(metrics);
  add_tasks(metrics);
  add_cache(metrics);
}

void WorkerMetrics::add_stages(Metrics& metrics) {
  for (const auto& stage : jobs::kStages) {
    if (!stage.is_timed()) continue;
    const std::string name(stage.name);
    for (const bool warm : {false, true}) {
      if (warm && !stage.can_be_warm) continue;
      const monitoring::Labels labels = {{"stage", name}, {"cache", warm ? "warm" : "cold"}};
      stage_seconds_.emplace(
          std::pair(name, warm),
          metrics.histogram(
              "mimicfleet_stage_duration_seconds",
              "Seconds that a task spent in a stage, by whether what it makes was there (warm) "
              "or had to be made (cold)",
              {stage.buckets.begin(), stage.buckets.end()}, labels));
    }
    if (!stage.cache_saves) continue;
    saved_seconds_.emplace(name,
                           metrics.counter("mimicfleet_cache_saved_seconds_total",
                                           "Seconds of computing that hits of the feature cache "
                                           "have spared, less what reading them took",
                                           {{"stage", name}}));
  }
}

void WorkerMetrics::add_tasks(Metrics& metrics) {
  for (const auto kind : kKinds) {
    for (const char* state : {"done", "failed", "cancelled"}) {
      attempts_.emplace(
          std::pair(kind, state),
          metrics.counter("mimicfleet_worker_task_attempts_total",
                          "Attempts at tasks that ended on this worker, by kind and outcome",
                          {{"kind", text(kind)}, {"state", state}}));
    }
  }
  for (const char* call : kCalls) {
    calls_.emplace(call, metrics.counter("mimicfleet_feature_computations_total",
                                         "Inputs that were decoded and features that were computed",
                                         {{"what", call}}));
  }
}

void WorkerMetrics::add_cache(Metrics& metrics) {
  const auto add_size = [&](std::optional<cache::EntryKind> kind) {
    const monitoring::Labels labels = {{"entry", kind ? text(*kind) : kOtherEntries}};
    cache_sizes_.emplace(
        kind, CacheSize{metrics.gauge("mimicfleet_cache_bytes",
                                      "Bytes of the entries in the feature cache, by what they are",
                                      labels),
                        metrics.gauge("mimicfleet_cache_entries",
                                      "Entries in the feature cache, by what they are", labels)});
  };
  add_size(std::nullopt);
  for (const auto kind : jobs::kFeatureKinds) {
    add_size(kind);
    for (const auto outcome : kOutcomes) {
      cache_requests_.emplace(
          std::pair(kind, outcome),
          metrics.counter("mimicfleet_cache_requests_total",
                          "Requests to the feature cache, by what was asked for and found",
                          {{"entry", text(kind)}, {"result", text(outcome)}}));
    }
  }
}

void WorkerMetrics::standing(jobs::WorkerState state, bool connected) const {
  for (const auto& [each, gauge] : states_) gauge.set(each == state ? 1 : 0);
  connected_.set(connected ? 1 : 0);
}

void WorkerMetrics::stage(const jobs::StageTiming& timing) const {
  const auto found = stage_seconds_.find({timing.stage, timing.warm});
  if (found == stage_seconds_.end()) {
    log::warn("the stage {} ({}) has no metric", log::printable(timing.stage),
              timing.warm ? "warm" : "cold");
    return;
  }
  found->second.observe(timing.seconds);
  const auto saved = saved_seconds_.find(timing.stage);
  if (saved != saved_seconds_.end() && timing.saved_seconds > 0)
    saved->second.add(timing.saved_seconds);
}

void WorkerMetrics::device_memory(std::uint64_t peak_bytes, std::uint64_t held_bytes) const {
  device_peak_bytes_.set(static_cast<double>(peak_bytes));
  device_held_bytes_.set(static_cast<double>(held_bytes));
}

void WorkerMetrics::task_ended(jobs::TaskKind kind, const Status& status) const {
  const char* state = status.ok()                               ? "done"
                      : status.code() == StatusCode::kCancelled ? "cancelled"
                                                                : "failed";
  attempts_.at({kind, state}).add();
}

void WorkerMetrics::video_made(std::int32_t frames) const {
  videos_made_.add();
  frames_made_.add(frames);
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

void WorkerMetrics::cache_size(const cache::SizeByKind& sizes, std::size_t evicted) const {
  for (const auto& [kind, size] : sizes) {
    const CacheSize& gauges = cache_sizes_.at(kind);
    gauges.bytes.set(static_cast<double>(size.bytes));
    gauges.entries.set(static_cast<double>(size.entries));
  }
  if (evicted > 0) cache_evictions_.add(static_cast<double>(evicted));
}

}  // namespace mimicfleet::worker
