#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "coordinator/client/embedded/cluster_options.h"
#include "coordinator/client/report/cache_benchmark.h"
#include "coordinator/client/report/progress.h"
#include "coordinator/client/report/summary.h"
#include "coordinator/client/run/find_server.h"
#include "coordinator/client/run/interrupts.h"
#include "coordinator/client/run/job_follower.h"

namespace mimicfleet::coordinator {

struct SubmitOptions {
  SubmitRequest request;
  EmbeddedOptions embedded;
  std::string server;                   // as the user named it
  std::optional<std::string> endpoint;  // the server's; none: an embedded run
  bool wait = true;
  bool cancel_on_interrupt = false;  // a job on a server, too
  bool dry_run = false;
  bool json = false;
  bool benchmark_cache = false;  // every clip twice: features made anew, then taken from the cache
  // Called in place of printing the results once every video is there; gives the exit code.
  std::function<int(const RunPlan&, const RunSummary&)> report;
};

// `coordinator submit` from the plan to the last table: plans, starts a cluster of its own unless
// there is a server, submits, follows the job and writes _run/summary.json and _run/events.jsonl.
class SubmitRun {
 public:
  explicit SubmitRun(SubmitOptions options);

  // The exit code; errors went to stderr, results to stdout.
  [[nodiscard]] int run();

 private:
  [[nodiscard]] Status plan();
  [[nodiscard]] Status check_overwrites();
  [[nodiscard]] std::string planned_table(const std::string& output_dir) const;
  [[nodiscard]] Result<std::vector<jobs::ModelSet>> models_of_workers();
  [[nodiscard]] Status look_at_server();
  [[nodiscard]] Status look_at_caches();
  [[nodiscard]] Status look_for_held_latents();
  [[nodiscard]] Status execute();
  [[nodiscard]] Status connect_to_cluster();
  [[nodiscard]] jobs::JobPlan job_plan() const;
  [[nodiscard]] Status submit();
  [[nodiscard]] Status follow();
  [[nodiscard]] Result<bool> look();  // true once the job is over
  [[nodiscard]] Status break_off();
  [[nodiscard]] Status cancel_job();
  int leave_to_server();
  void collect();
  void save_events();
  void save_summary(const RunSummary& summary) const;
  void clean_up();
  void remove_state();
  void stop_cluster(bool all_done);
  int finish(const Status& outcome);
  // ---- --benchmark-cache
  [[nodiscard]] Status run_pass(const std::string& name, const jobs::FeaturePolicy& features,
                                BenchmarkPass& pass);
  [[nodiscard]] Status run_benchmark();
  int finish_benchmark(const Status& outcome);

  SubmitOptions options_;
  Interrupts interrupts_;
  SteadyClock clock_;
  Instant started_;
  std::string cache_folder_;
  std::optional<Connection> connection_;
  std::optional<OutputFolder> folder_;
  RunPlan plan_;
  std::unique_ptr<SummaryBuilder> summary_;
  std::unique_ptr<Cluster> cluster_;  // of an embedded run
  jobs::JobAccepted job_;
  ProgressDisplay display_;
  bool left_to_server_ = false;  // the job goes on without this client
  std::size_t ended_tasks_ = 0;
  bool ends_soon_ = false;
  std::uint64_t last_event_ = 0;
  CacheBenchmark benchmark_;
};

}  // namespace mimicfleet::coordinator
