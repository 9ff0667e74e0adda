#pragma once

#include <map>
#include <string>
#include <utility>

#include "jobs/task.h"
#include "monitoring/metrics.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::worker {

// What a worker counts. All label values exist from the start. Usable from any thread.
class WorkerMetrics {
 public:
  // `metrics` must outlive this object.
  explicit WorkerMetrics(monitoring::Metrics& metrics);

  void stage(const jobs::StageTiming& timing) const;
  void calls(const std::map<std::string, std::uint32_t>& calls) const;  // TaskContext::calls()
  void task_ended(jobs::TaskKind kind, const Status& status) const;
  void cache_request(cache::EntryKind entry, cache::Outcome outcome) const;
  void cache_limit(std::uint64_t bytes) const { cache_limit_bytes_.set(static_cast<double>(bytes)); }
  void cache_size(std::uint64_t bytes, std::size_t evicted) const;
  void device_memory(std::uint64_t peak_bytes, std::uint64_t held_bytes) const;
  void models_loaded() const { model_loads_.add(); }
  void unet_adapted() const { unet_adaptations_.add(); }
  void unet_evaluations(std::int64_t count) const { unet_evaluations_.add(static_cast<double>(count)); }
  void sent(std::uint64_t bytes) const { sent_bytes_.add(static_cast<double>(bytes)); }
  void received(std::uint64_t bytes) const { received_bytes_.add(static_cast<double>(bytes)); }
  void holders_refused(std::uint32_t count) const { refused_holders_.add(count); }

 private:
  std::map<std::pair<std::string, bool>, monitoring::Histogram> stage_seconds_;
  std::map<std::string, monitoring::Counter> saved_seconds_;  // by stage
  std::map<std::string, monitoring::Counter> calls_;
  std::map<std::pair<jobs::TaskKind, std::string>, monitoring::Counter> tasks_;
  std::map<std::pair<cache::EntryKind, cache::Outcome>, monitoring::Counter> cache_requests_;
  monitoring::Gauge cache_bytes_;
  monitoring::Gauge cache_limit_bytes_;
  monitoring::Counter cache_evictions_;
  monitoring::Gauge device_peak_bytes_;
  monitoring::Gauge device_held_bytes_;
  monitoring::Counter model_loads_;
  monitoring::Counter unet_adaptations_;
  monitoring::Counter unet_evaluations_;
  monitoring::Counter sent_bytes_;
  monitoring::Counter received_bytes_;
  monitoring::Counter refused_holders_;
};

}  // namespace mimicfleet::worker
