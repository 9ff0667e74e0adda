#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "coordinator/server/lost_workers.h"
#include "coordinator/server/metric_rows.h"
#include "coordinator/server/observer.h"

namespace mimicfleet::coordinator {

// What the coordinator tells Prometheus. A scrape comes on another thread than the server's: what
// belongs to workers and jobs, which come and go, is handed over as a small copy.
class ServerMetrics final : public Observer {
 public:
  // `state_dir` is measured at each scrape. `metrics` is scraped only while this and `clock` live.
  ServerMetrics(monitoring::Metrics& metrics, std::string state_dir, const Clock& clock);

  void on_message(std::string_view type) override;
  void on_refusal(Refusal reason) override;
  void on_store_write(Duration took) override;
  void on_store_failure() override;
  void on_commit(const std::vector<jobs::Event>& events, const Tally& tally) override;
  void look(const State& state, Instant now) override;

 private:
  struct HostCounters {
    monitoring::Counter joined;
    monitoring::Counter said_goodbye;
    monitoring::Counter lost;
  };
  struct JobGlance {
    std::uint64_t number = 0;
    jobs::TaskCounts tasks;
    std::uint64_t videos_made = 0;
    std::uint64_t videos_failed = 0;
    std::uint64_t frames_made = 0;
    std::int64_t submitted_wall_ms = 0;
    std::int64_t ended_wall_ms = 0;
  };
  // What a scrape reads.
  struct Glance {
    std::optional<Instant> oldest_ready;
    std::map<std::pair<std::string, std::string>, Instant> heard;  // by a worker's name and host
    std::vector<LostWorkers::Lost> lost;
    std::vector<JobGlance> jobs;
  };

  void read_tasks_and_workers();
  void read_state_folder();
  void read_jobs();
  void count_event(const jobs::Event& event);
  void count_time(const State& state, Instant now);
  HostCounters& of_host(const std::string& host);
  void count_tasks(const State& state);
  void count_workers(const State& state);
  void count_jobs(const State& state, Instant now);
  [[nodiscard]] Glance glance_at(const State& state) const;
  [[nodiscard]] Glance glance() const;
  template <typename Read>
  void read_job(const monitoring::ReadGauges& gauges, Read read);

  MetricRows rows_;
  std::string state_dir_;
  const Clock& clock_;
  std::map<std::string, HostCounters> hosts_;

  LostWorkers lost_;
  std::optional<Instant> at_work_since_;  // counted until then, while tasks are open
  bool jobs_changed_ = true;
  Instant jobs_counted_{};
  std::vector<JobId> shown_jobs_;

  mutable Mutex mutex_;
  Glance glance_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::coordinator
