#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/computations.h"
#include "jobs/messages.h"
#include "jobs/stages.h"
#include "monitoring/metrics.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::worker {

inline constexpr const char* kIdle = "idle";  // the stage of a worker without tasks
inline constexpr std::array kAskedOutcomes = {cache::Outcome::kHit, cache::Outcome::kMiss,
                                              cache::Outcome::kDamaged};

// The series of metrics of stages.
[[nodiscard]] std::vector<monitoring::Labels> current_stages();
[[nodiscard]] std::vector<monitoring::Bucketed> timed_stages();  // and whether they were warm
[[nodiscard]] std::vector<monitoring::Labels> stages_that_the_cache_saves();
[[nodiscard]] std::vector<monitoring::Labels> cache_entries();

// What a worker counts: a metric is a row, and is set wherever that happens which it counts; what
// sets several is a function below. All label values exist from the start. Usable from any thread.
struct WorkerMetrics {
  // `metrics` must outlive this object.
  explicit WorkerMetrics(monitoring::Metrics& metrics);

  monitoring::Metrics& registry;

  // ---- the worker
  monitoring::ReadGauges info =
      registry.read_gauges("mimicfleet_worker_info", "Who this worker is; always 1");
  monitoring::Family<monitoring::Gauge> takes = registry.gauges(
      "mimicfleet_worker_takes", "1 for the kinds of tasks that the worker takes, 0 for others",
      monitoring::every({monitoring::label<jobs::TaskKind>("kind")}));
  monitoring::Family<monitoring::Gauge> state =
      registry.gauges("mimicfleet_worker_state", "1 for the state that the worker is in",
                      monitoring::every({monitoring::label<jobs::WorkerState>("state")}));
  monitoring::Gauge connected =
      registry.gauge("mimicfleet_worker_coordinator_connected",
                     "1 while the coordinator answers, 0 while it is silent");
  monitoring::Gauge tasks_running = registry.gauge("mimicfleet_worker_tasks_running",
                                                   "Tasks that the worker has and has not ended");
  monitoring::Counter busy_seconds =
      registry.counter("mimicfleet_worker_busy_seconds_total",
                       "Seconds in which the worker was working on at least one task");

  // ---- stages and tasks
  monitoring::Family<monitoring::Gauge> in_stage = registry.gauges(
      "mimicfleet_worker_stage",
      "Tasks that are in a stage now; idle is 1 while the worker has no task", current_stages());
  monitoring::Family<monitoring::Histogram> stage_seconds =
      registry.histograms("mimicfleet_stage_duration_seconds",
                          "Seconds that a task spent in a stage, by whether what it makes was "
                          "there (warm) or had to be "
                          "made (cold)",
                          timed_stages());
  monitoring::Family<monitoring::Counter> attempts =
      registry.counters("mimicfleet_worker_task_attempts_total",
                        "Attempts at tasks that ended on this worker, by kind and outcome",
                        monitoring::every({monitoring::label<jobs::TaskKind>("kind"),
                                           {"state", {"done", "failed", "cancelled"}}}));
  monitoring::Counter videos_made = registry.counter("mimicfleet_worker_videos_made_total",
                                                     "Videos that this worker has finished");
  monitoring::Counter frames_made = registry.counter(
      "mimicfleet_worker_frames_made_total", "Frames of the videos that this worker has finished");

  // ---- features and their cache
  monitoring::Family<monitoring::Counter> computations =
      registry.counters("mimicfleet_feature_computations_total",
                        "Inputs that were decoded and features that were computed",
                        monitoring::every({monitoring::label<jobs::Computation>("what")}));
  monitoring::Family<monitoring::Counter> cache_requests =
      registry.counters("mimicfleet_cache_requests_total",
                        "Requests to the feature cache, by what was asked for and found",
                        monitoring::every({monitoring::label<jobs::FeatureKind>("entry"),
                                           monitoring::label("result", kAskedOutcomes)}));
  monitoring::Family<monitoring::Counter> cache_saved_seconds =
      registry.counters("mimicfleet_cache_saved_seconds_total",
                        "Seconds of computing that hits of the feature cache have spared, less "
                        "what reading them took",
                        stages_that_the_cache_saves());
  monitoring::Family<monitoring::Gauge> cache_bytes = registry.gauges(
      "mimicfleet_cache_bytes", "Bytes of the entries in the feature cache, by what they are",
      cache_entries());
  monitoring::Family<monitoring::Gauge> cache_entry_count =
      registry.gauges("mimicfleet_cache_entries", "Entries in the feature cache, by what they are",
                      cache_entries());
  monitoring::Gauge cache_limit_bytes =
      registry.gauge("mimicfleet_cache_limit_bytes",
                     "Bytes that the entries of the feature cache may take together");
  monitoring::Counter cache_evictions =
      registry.counter("mimicfleet_cache_evictions_total",
                       "Entries that were removed to keep the feature cache below its limit");

  // ---- models and the device
  monitoring::Gauge device_peak_bytes =
      registry.gauge("mimicfleet_device_memory_peak_bytes",
                     "Most memory of the GPU that tensors of the last task took");
  monitoring::Gauge device_held_bytes =
      registry.gauge("mimicfleet_device_memory_held_bytes",
                     "Memory of the GPU that the worker held after its last task");
  monitoring::Counter model_loads =
      registry.counter("mimicfleet_model_loads_total", "Times that a model set was loaded");
  monitoring::Counter unet_adaptations =
      registry.counter("mimicfleet_unet_adaptations_total",
                       "Times that LoRAs were fused or another UNet was loaded");
  monitoring::Counter unet_evaluations = registry.counter(
      "mimicfleet_unet_evaluations_total", "Runs of the UNet over one tile of frames");

  // ---- latents between workers
  monitoring::Family<monitoring::Counter> artefact_bytes = registry.counters(
      "mimicfleet_artefact_bytes_total",
      "Bytes of latents that workers sent to each other, by direction as this worker sees it",
      monitoring::every({{"direction", {"sent", "received"}}}));
  monitoring::Counter refused_replicas =
      registry.counter("mimicfleet_artefact_replicas_refused_total",
                       "Workers whose latents were refused: other bytes than they should be");

  void standing(jobs::WorkerState now, bool is_connected) const;
  void stage(const jobs::StageTiming& timing) const;
  void calls(const std::map<std::string, std::uint32_t>& calls) const;  // TaskContext::calls()
  void task_ended(jobs::TaskKind kind, const Status& status) const;
  void video_made(std::int32_t frames) const;
  void cache_request(cache::EntryKind entry, cache::Outcome outcome) const;
  void cache_size(const cache::SizeByKind& sizes, std::size_t evicted) const;
};

}  // namespace mimicfleet::worker
