#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/net/socket.h"
#include "common/wire/envelope.h"
#include "coordinator/scheduler/decide.h"
#include "coordinator/server/observer.h"
#include "coordinator/store/job_store.h"

namespace mimicfleet::coordinator {

// The I/O around the scheduler. It reads messages, calls `decide`, stores the changes, and only
// then sends replies and grants. It handles all waiting messages before one commit, so that a burst
// of messages costs one sync.
//
// Owns: the socket, the job store and the State. Threads: all methods are called on one thread,
// which is run()'s while that runs; observers are called on it, too. Failure: a message that cannot
// be understood or carried out is answered with a status. While the store cannot be written (a full
// disk), nothing is sent that depends on it; the server tries again each tick.
class Server {
 public:
  Server(net::Socket socket, std::unique_ptr<JobStore> store, SchedulerConfig config,
         std::uint32_t heartbeat_ms, std::string state_dir);

  // Loads the stored jobs into the State. Call it once, before run(). Codes of JobStore::load().
  [[nodiscard]] Status restore();

  // Runs until `stop` is signalled.
  void run(const net::WakeUp& stop);

  [[nodiscard]] const State& state() const { return state_; }

  // Called in each round of run(), at least every tick.
  void set_on_turn(std::function<void()> on_turn) { on_turn_ = std::move(on_turn); }

  // To be called before run(). The observer must outlive run().
  void add_observer(Observer& observer) { observers_.push_back(&observer); }

  // Types of all requests that the server knows.
  [[nodiscard]] static std::vector<std::string_view> message_types();

 private:
  // A message that is sent after the changes that it reports are stored.
  struct Outgoing {
    std::string peer;
    std::string bytes;
  };
  using Handler = void (Server::*)(const wire::Envelope&, const std::string& peer);
  [[nodiscard]] static const std::map<std::string_view, Handler>& handlers();

  void handle(const net::Received& received);
  void read_all();
  void tick();
  void commit_and_send();
  void let_look();
  Decision apply(const Input& input);
  void note_when_jobs_ended(const std::vector<JobId>& changed);
  Status store(const std::vector<const Job*>& jobs, const std::vector<const Task*>& tasks,
               const std::vector<jobs::Event>& events);
  template <typename T>
  void reply(const std::string& peer, const wire::Envelope& request, const T& message);
  void refuse(const std::string& peer, const wire::Envelope& request, const Status& status,
              Refusal reason = Refusal::kRefused);
  void refuse_malformed(const std::string& peer, const wire::Envelope& request,
                        const Status& status) {
    refuse(peer, request, status, Refusal::kMalformed);
  }
  void reply_ok_or(const std::string& peer, const wire::Envelope& request, const Status& status);

  // ---- worker requests
  void on_worker_hello(const wire::Envelope& request, const std::string& peer);
  void note_joining(const jobs::WorkerHello& hello) const;
  void warn_of_mixed_models(const jobs::WorkerHello& hello) const;
  void on_worker_heartbeat(const wire::Envelope& request, const std::string& peer);
  void on_task_completed(const wire::Envelope& request, const std::string& peer);
  void on_task_failed(const wire::Envelope& request, const std::string& peer);
  void on_worker_goodbye(const wire::Envelope& request, const std::string& peer);
  // ---- client requests
  void on_server_info(const wire::Envelope& request, const std::string& peer);
  void on_job_submit(const wire::Envelope& request, const std::string& peer);
  void on_job_list(const wire::Envelope& request, const std::string& peer);
  void on_job_cancel(const wire::Envelope& request, const std::string& peer);
  void on_job_retry(const wire::Envelope& request, const std::string& peer);
  void on_task_list(const wire::Envelope& request, const std::string& peer);
  void on_events(const wire::Envelope& request, const std::string& peer);
  void on_held_latents(const wire::Envelope& request, const std::string& peer);
  void on_worker_list(const wire::Envelope& request, const std::string& peer);
  void on_feature_query(const wire::Envelope& request, const std::string& peer);
  void on_worker_stop(const wire::Envelope& request, const std::string& peer);

  [[nodiscard]] Result<Job> store_new_job(const jobs::JobPlan& plan, JobId id, RequestId request,
                                          std::vector<jobs::TaskSpec>& tasks);
  [[nodiscard]] Result<std::vector<JobId>> select(const std::string& selector) const;
  [[nodiscard]] jobs::JobSummary summary_of(const Job& job) const;
  [[nodiscard]] jobs::TaskInfo info_of(const Task& task) const;
  void note_out_of_reach(const Worker& worker, std::vector<jobs::HostTrouble>& trouble) const;
  [[nodiscard]] std::vector<jobs::HostTrouble> trouble_of(const Worker& worker) const;

  net::Socket socket_;
  std::unique_ptr<JobStore> store_;
  std::string state_dir_;
  std::uint32_t heartbeat_ms_;
  SteadyClock clock_;
  Instant started_;
  State state_;
  std::map<WorkerId, std::string> peers_;      // routing ids of the workers
  std::map<RequestId, JobId> submitted_;       // requests that became jobs
  std::map<JobId, jobs::JobPlan> assembling_;  // jobs whose parts still come
  std::set<TaskId> dirty_tasks_;
  std::set<JobId> dirty_jobs_;
  std::vector<jobs::Event> unsaved_events_;
  Tally unsaved_tally_;
  std::vector<Outgoing> outbox_;
  bool disk_trouble_ = false;
  std::function<void()> on_turn_ = [] {};
  std::vector<Observer*> observers_;
  Instant next_look_{};
  bool unseen_ = false;  // the State may have changed since the observers looked
};

template <typename T>
void Server::reply(const std::string& peer, const wire::Envelope& request, const T& message) {
  outbox_.push_back({peer, wire::seal(message, request.request)});
}

}  // namespace mimicfleet::coordinator
