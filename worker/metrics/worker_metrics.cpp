#include "worker/metrics/worker_metrics.h"

#include <optional>

#include "common/log.h"

namespace mimicfleet::worker {
namespace {

using monitoring::text;

constexpr const char* kOtherEntries = "other";  // of a kind that this version does not know

monitoring::Labels of_entry(std::optional<cache::EntryKind> kind) {
  return {{"entry", kind ? text(*kind) : kOtherEntries}};
}

monitoring::Labels of_timing(std::string_view stage, bool warm) {
  return {{"stage", std::string(stage)}, {"cache", warm ? "warm" : "cold"}};
}

}  // namespace

std::vector<monitoring::Labels> current_stages() {
  std::vector<monitoring::Labels> series = {{{"stage", kIdle}}};
  for (const auto& stage : jobs::kStages) {
    if (stage.stage == jobs::Stage::kReported) continue;
    series.push_back({{"stage", std::string(stage.name)}});
  }
  return series;
}

std::vector<monitoring::Bucketed> timed_stages() {
  std::vector<monitoring::Bucketed> series;
  for (const auto& stage : jobs::kStages) {
    if (!stage.is_timed()) continue;
    const std::vector<double> buckets(stage.buckets.begin(), stage.buckets.end());
    series.push_back({of_timing(stage.name, false), buckets});
    if (stage.can_be_warm) series.push_back({of_timing(stage.name, true), buckets});
  }
  return series;
}

std::vector<monitoring::Labels> stages_that_the_cache_saves() {
  std::vector<monitoring::Labels> series;
  for (const auto& stage : jobs::kStages) {
    if (stage.cache_saves) series.push_back({{"stage", std::string(stage.name)}});
  }
  return series;
}

std::vector<monitoring::Labels> cache_entries() {
  std::vector<monitoring::Labels> series = {of_entry(std::nullopt)};
  for (const auto kind : jobs::kFeatureKinds) series.push_back(of_entry(kind));
  return series;
}

WorkerMetrics::WorkerMetrics(monitoring::Metrics& metrics) : registry(metrics) {
  standing(jobs::WorkerState::kLoading, false);
}

void WorkerMetrics::standing(jobs::WorkerState now, bool is_connected) const {
  for (const auto& [labels, gauge] : state.series()) gauge.set(0);
  state.at({{"state", text(now)}}).set(1);
  connected.set(is_connected ? 1 : 0);
}

void WorkerMetrics::stage(const jobs::StageTiming& timing) const {
  const auto* seconds = stage_seconds.find(of_timing(timing.stage, timing.warm));
  if (seconds == nullptr) {
    log::warn("the stage {} ({}) has no metric", log::printable(timing.stage),
              timing.warm ? "warm" : "cold");
    return;
  }
  seconds->observe(timing.seconds);
  const auto* saved = cache_saved_seconds.find({{"stage", timing.stage}});
  if (saved != nullptr && timing.saved_seconds > 0) saved->add(timing.saved_seconds);
}

void WorkerMetrics::task_ended(jobs::TaskKind kind, const Status& status) const {
  const char* outcome = status.ok()                               ? "done"
                        : status.code() == StatusCode::kCancelled ? "cancelled"
                                                                  : "failed";
  attempts.at({{"kind", text(kind)}, {"state", outcome}}).add();
}

void WorkerMetrics::video_made(std::int32_t frames) const {
  videos_made.add();
  frames_made.add(frames);
}

void WorkerMetrics::calls(const std::map<std::string, std::uint32_t>& calls) const {
  for (const auto& [what, times] : calls) {
    if (const auto* counter = computations.find({{"what", what}})) counter->add(times);
  }
}

void WorkerMetrics::cache_request(cache::EntryKind entry, cache::Outcome outcome) const {
  cache_requests.at({{"entry", text(entry)}, {"result", text(outcome)}}).add();
}

void WorkerMetrics::cache_size(const cache::SizeByKind& sizes, std::size_t evicted) const {
  for (const auto& [kind, size] : sizes) {
    cache_bytes.at(of_entry(kind)).set(static_cast<double>(size.bytes));
    cache_entry_count.at(of_entry(kind)).set(static_cast<double>(size.entries));
  }
  if (evicted > 0) cache_evictions.add(static_cast<double>(evicted));
}

}  // namespace mimicfleet::worker
