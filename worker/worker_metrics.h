#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "jobs/messages.h"
#include "monitoring/metrics.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::worker {

// What a worker counts. All label values exist from the start. Usable from any thread.
class WorkerMetrics {
 public:
  // `metrics` must outlive this object.
  explicit WorkerMetrics(monitoring::Metrics& metrics);

  void standing(jobs::WorkerState state, bool connected) const;
  void stage(const jobs::StageTiming& timing) const;
  void calls(const std::map<std::string, std::uint32_t>& calls) const;  // TaskContext::calls()
  void task_ended(jobs::TaskKind kind, const Status& status) const;
  void video_made(std::int32_t frames) const;
  void cache_request(cache::EntryKind entry, cache::Outcome outcome) const;
  void cache_limit(std::uint64_t bytes) const {
    cache_limit_bytes_.set(static_cast<double>(bytes));
  }
  void cache_size(const cache::SizeByKind& sizes, std::size_t evicted) const;
  void device_memory(std::uint64_t peak_bytes, std::uint64_t held_bytes) const;
  void models_loaded() const { model_loads_.add(); }
  void unet_adapted() const { unet_adaptations_.add(); }
  void unet_evaluations(std::int64_t count) const {
    unet_evaluations_.add(static_cast<double>(count));
  }
  void sent(std::uint64_t bytes) const { sent_bytes_.add(static_cast<double>(bytes)); }
  void received(std::uint64_t bytes) const { received_bytes_.add(static_cast<double>(bytes)); }
  void holders_refused(std::uint32_t count) const { refused_holders_.add(count); }

 private:
  struct CacheSize {
    monitoring::Gauge bytes;
    monitoring::Gauge entries;
  };
  void add_stages(monitoring::Metrics& metrics);
  void add_tasks(monitoring::Metrics& metrics);
  void add_cache(monitoring::Metrics& metrics);

  std::map<jobs::WorkerState, monitoring::Gauge> states_;
  monitoring::Gauge connected_;
  std::map<std::pair<std::string, bool>, monitoring::Histogram>
      stage_seconds_;                                         // by stage, and warm
  std::map<std::string, monitoring::Counter> saved_seconds_;  // by stage
  std::map<std::string, monitoring::Counter> calls_;
  std::map<std::pair<jobs::TaskKind, std::string>, monitoring::Counter> attempts_;
  monitoring::Counter videos_made_;
  monitoring::Counter frames_made_;
  std::map<std::pair<cache::EntryKind, cache::Outcome>, monitoring::Counter> cache_requests_;
  std::map<std::optional<cache::EntryKind>, CacheSize> cache_sizes_;
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
