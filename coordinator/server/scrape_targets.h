#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/mutex.h"
#include "common/status.h"
#include "coordinator/server/observer.h"

namespace mimicfleet::coordinator {

// A worker's metrics as Prometheus's service discovery has them: an address and labels.
struct ScrapeTarget {
  std::string address;  // HOST:PORT
  std::string worker;
  std::string host;
  std::string device;
  std::string slurm_job_id;
  friend auto operator<=>(const ScrapeTarget&, const ScrapeTarget&) = default;
};

// Of the workers that are there, in order. Those without metrics, with what is no address, or with
// a loopback address of another host than `own_host` are left out; of two that name one address (a
// worker that was lost, and its successor) the one that came last counts.
[[nodiscard]] std::vector<ScrapeTarget> scrape_targets(const State& state,
                                                       const std::string& own_host);

// The JSON that http_sd and file_sd take.
[[nodiscard]] std::string discovery_json(const std::vector<ScrapeTarget>& targets);

// Tells Prometheus where the workers' metrics are: by the answer to /sd, and in a file. A
// coordinator that was started again waits for a lease's length before it says anything, so that
// workers that still come back do not vanish from Prometheus meanwhile.
class ScrapeTargets final : public Observer {
 public:
  // `file`: for file_sd, of which others may read it; empty for none. Its folder is made if it is
  // not there. kInvalidArgument: not a name that Prometheus takes; kFailedPrecondition: it cannot
  // be written.
  [[nodiscard]] static Status prepare(const std::string& file);

  ScrapeTargets(std::string file, std::string own_host)
      : file_(std::move(file)), own_host_(std::move(own_host)) {}

  void look(const State& state, Instant now) override;

  // From any thread. Nothing while it is not known who comes back: Prometheus keeps what it had
  // then.
  [[nodiscard]] std::optional<std::string> json() const;

 private:
  void write_file(const std::string& json, Instant now);

  std::string file_;
  std::string own_host_;
  std::optional<Instant> known_from_;
  std::optional<std::vector<ScrapeTarget>> targets_;
  bool file_is_old_ = false;
  bool in_trouble_ = false;
  Instant next_write_{};

  mutable Mutex mutex_;
  std::optional<std::string> json_ GUARDED_BY(mutex_);
};

}  // namespace mimicfleet::coordinator
