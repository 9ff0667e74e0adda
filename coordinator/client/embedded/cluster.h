#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "coordinator/client/embedded/child_process.h"

namespace mimicfleet::coordinator {

struct ClusterOptions {
  std::string programs;    // folder of `coordinator` and `worker`; empty: that of this program
  std::string run_folder;  // gets state/, logs/ and worker-N/
  std::string models;      // `worker --models`
  std::vector<std::string> devices;       // one worker each
  std::vector<std::string> worker_flags;  // of every worker, beside those of a run: see cluster.cpp
};

// A coordinator and its workers for one run: the same programs, sockets and protocol as a cluster,
// as children of this process, on a free port of the loopback interface.
class Cluster {
 public:
  // Starts all; returns once the coordinator listens. Errors name the log.
  [[nodiscard]] static Result<std::unique_ptr<Cluster>> start(ClusterOptions options);
  ~Cluster();  // kills what still runs
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

  // Starts again what has crashed, each a bounded number of times in a row; call it every so often.
  // `ended` is how many tasks have ended: progress forgives earlier crashes. An error: nothing can
  // go on, and why.
  [[nodiscard]] Status supervise(std::size_t ended, Instant now);

  // SIGTERM to the workers, then to the coordinator; SIGKILL to what is still there after `grace`.
  void stop(std::chrono::milliseconds grace);

 private:
  struct Member {
    std::string name;
    std::vector<std::string> command;
    std::string log;
    std::unique_ptr<ChildProcess> process;
    int crashes = 0;  // in a row
    bool given_up = false;
    std::string last_end;
    Instant start_again{};
  };

  explicit Cluster(ClusterOptions options) : options_(std::move(options)) {}
  [[nodiscard]] Status start_coordinator();
  [[nodiscard]] Status await_ready(int fd);
  [[nodiscard]] Status start_workers();
  [[nodiscard]] Status start_member(Member& member);
  [[nodiscard]] Status care_for(Member& member, Instant now);
  [[nodiscard]] Member make_member(const std::string& name, std::vector<std::string> command) const;

  ClusterOptions options_;
  std::string endpoint_;
  Member coordinator_;
  std::vector<Member> workers_;
  std::size_t ended_ = 0;
};

}  // namespace mimicfleet::coordinator
